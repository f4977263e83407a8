// Loads the admission rule that the configuration names, and asks it with a deadline.

import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { StatusError } from '@tapestry/status';
import {
  type AdmissionRule,
  type Asking,
  everybodyOnServers,
  type Rights,
} from '../core/admission.ts';

const ANSWER_MS = 3_000;

/** Errors: 152 when the module cannot be loaded or exports no `admissionRule`. */
export async function loadAdmissionRule(module: string | undefined): Promise<AdmissionRule> {
  if (module === undefined) return everybodyOnServers;
  const loaded = await load(module);
  const rule = (loaded as { admissionRule?: Partial<AdmissionRule> }).admissionRule;
  if (typeof rule?.rightsOf === 'function') return rule as AdmissionRule;
  const detail = `the admission module ${module} exports no admissionRule with rightsOf()`;
  throw new StatusError('requiredValueNotSet', detail);
}

async function load(module: string): Promise<unknown> {
  try {
    return await import(isAbsolute(module) ? pathToFileURL(module).href : module);
  } catch (error) {
    const detail = `the admission module ${module} cannot be loaded`;
    throw new StatusError('requiredValueNotSet', detail, {}, { cause: error });
  }
}

/** Whatever keeps a rule from answering is a refusal. */
export async function askRule(rule: AdmissionRule, asking: Asking): Promise<Rights> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const late = new Promise<Rights>((resolve) => {
    signal.addEventListener('abort', () => resolve(refusal('it did not answer in time')));
  });
  try {
    return await Promise.race([Promise.resolve(rule.rightsOf(asking, signal)), late]);
  } catch (error) {
    return refusal(error instanceof Error ? error.message : String(error));
  }
}

function refusal(why: string): Rights {
  return { allowed: false, reason: `the admission rule gave no answer: ${why}` };
}
