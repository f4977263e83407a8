// Every file of this folder that is made from the model: name → text.

import { composeText } from './compose/compose-file.ts';
import { manifestFiles } from './k8s/manifest-files.ts';

export function generatedFiles(): Record<string, string> {
  return { 'compose/docker-compose.yml': composeText(), ...manifestFiles() };
}
