// Prints the service table: what libs/bus makes clients, servers, subjects and permissions from.

import type { Contracts, ServiceDescription } from './describe.ts';
import { renderComment } from './types.ts';

export function renderServices(contracts: Contracts): string {
  const used = new Set(
    contracts.services.flatMap(({ methods }) => methods.flatMap((m) => [m.request, m.reply])),
  );
  const events = contracts.events.map(
    (event) =>
      `  ${event.name}: { stream: '${event.stream}', publishers: ${JSON.stringify(event.publishers)}, ` +
      `consumers: ${JSON.stringify(event.consumers)} },`,
  );
  return [
    '// Generated from proto/ by generate.ts.\n',
    `import type {\n${[...used]
      .sort()
      .map((name) => `  ${name},`)
      .join('\n')}\n} from './types.ts';\n`,
    `export interface Services {\n${contracts.services.map(renderInterface).join('\n')}\n}\n`,
    `export const SERVICES = {\n${contracts.services.map(renderTable).join('\n')}\n} as const;\n`,
    `export const EVENTS = {\n${events.join('\n')}\n} as const;\n`,
  ].join('\n');
}

function renderInterface(service: ServiceDescription): string {
  const methods = service.methods.map(
    (method) =>
      `${renderComment(method.comment, '    ')}    ${method.name}: { request: ${method.request}; reply: ${method.reply} };`,
  );
  return `  ${service.name}: {\n${methods.join('\n')}\n  };`;
}

function renderTable(service: ServiceDescription): string {
  const methods = service.methods.map(
    (m) =>
      `      ${m.name}: { request: '${m.request}', reply: '${m.reply}', ` +
      `callers: ${JSON.stringify(m.callers)}, deadlineMs: ${m.deadlineMs} },`,
  );
  return `  ${service.name}: {\n    perHost: ${service.perHost},\n    methods: {\n${methods.join('\n')}\n    },\n  },`;
}
