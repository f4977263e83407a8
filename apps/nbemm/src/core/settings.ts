// The settings of the whole site: their names as nbemmcmd spells them, their ranges, and what they are when nobody
// changed them.

import { StatusError } from '@tapestry/status';

interface Setting {
  readonly name: string;
  readonly description: string;
  readonly normal: number;
  readonly min: number;
  readonly max: number;
  /** Written as yes and no, which are 1 and 0. */
  readonly yesNo?: true;
}

const HOUR_MS = 60 * 60 * 1_000;

export const SETTINGS: readonly Setting[] = [
  {
    name: 'MEDIA_ERROR_THRESHOLD',
    description: 'errors of a volume that are forgiven within the time window',
    ...{ normal: 2, min: 0, max: 1_000 },
  },
  {
    name: 'DRIVE_ERROR_THRESHOLD',
    description: 'volumes that may fail in a drive within the time window',
    ...{ normal: 2, min: 0, max: 1_000 },
  },
  {
    name: 'TIME_WINDOW',
    description: 'hours that errors are remembered for',
    ...{ normal: 12, min: 1, max: 720 },
  },
  {
    name: 'RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL',
    description: 'volumes from the scratch pool go back to it when their images are gone',
    ...{ normal: 1, min: 0, max: 1, yesNo: true },
  },
];

/** The setting by its name in any case, and its value in range. Errors: 227, 223. */
export function settingOf(name: string, value: string): { name: string; value: number } {
  const setting = SETTINGS.find((each) => each.name === name.toUpperCase());
  if (setting === undefined) throw new StatusError('notFound', `there is no setting ${name}`);
  if (setting.yesNo) return { name: setting.name, value: yesOrNo(setting.name, value) };
  const number = Number(value);
  if (!/^\d{1,6}$/.test(value) || number < setting.min || number > setting.max) {
    throw new StatusError(
      'invalidEntry',
      `${setting.name} is a number from ${setting.min} to ${setting.max}, not '${value}'`,
    );
  }
  return { name: setting.name, value: number };
}

function yesOrNo(name: string, value: string): number {
  const word = value.toLowerCase();
  if (word === 'yes' || word === '1') return 1;
  if (word === 'no' || word === '0') return 0;
  throw new StatusError('invalidEntry', `${name} is yes or no, not '${value}'`);
}

/** As it is shown. */
export function settingText(setting: Setting, value: number | undefined): string {
  const shown = value ?? setting.normal;
  if (setting.yesNo) return shown === 1 ? 'yes' : 'no';
  return String(shown);
}

/** When errors condemn a volume or a drive. */
export interface ErrorLimits {
  readonly mediaForgiven: number;
  readonly driveForgiven: number;
  readonly windowMs: number;
}

export function errorLimits(values: ReadonlyMap<string, number>): ErrorLimits {
  const value = (name: string): number =>
    values.get(name) ?? SETTINGS.find((each) => each.name === name)?.normal ?? 0;
  return {
    mediaForgiven: value('MEDIA_ERROR_THRESHOLD'),
    driveForgiven: value('DRIVE_ERROR_THRESHOLD'),
    windowMs: value('TIME_WINDOW') * HOUR_MS,
  };
}
