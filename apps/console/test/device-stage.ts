// nbemm, nbrb and the ltid of media1 as a test plays them: one robot with its volumes, drives in and outside of it, disks,
// and a queue. The robot moves when the test says so, and tells of it as ltid does.

import type {
  DriveRow,
  DumpReply,
  Element,
  Init,
  ListMountsReply,
  ListStorageUnitsReply,
  ListVolumesRequest,
  VolumeRow,
} from '@tapestry/contracts';
import { type FakeService, fakeService, type TestBus } from '@tapestry/testkit';

export interface DeviceScene {
  readonly drives: readonly Init<DriveRow>[];
  readonly elements: readonly Init<Element>[];
  readonly volumes: readonly Init<VolumeRow>[];
  /** Replies of nbrb.Dump, nbemm.ListStorageUnits, ltid.ListMounts. */
  readonly broker?: Init<DumpReply>;
  readonly units?: Init<ListStorageUnitsReply>;
  readonly mounts?: Init<ListMountsReply>['mounts'];
}

export interface DeviceStage {
  readonly nbemm: FakeService<'nbemm'>;
  /** Another scene from now on; nothing is told. */
  change(scene: DeviceScene): void;
  begin(from: number, to: number): Promise<void>;
  end(from: number, to: number, phase?: 'made' | 'failed'): Promise<void>;
  /** The robot stops, or goes on answering. */
  hideRobot(hidden: boolean): void;
}

export async function playDevices(bus: TestBus, first: DeviceScene): Promise<DeviceStage> {
  let scene = first;
  let hidden = false;
  let moving: { fromAddress: number; toAddress: number } | null = null;
  const nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    GetDevices: async () => ({
      robots: [{ number: 0, type: 'TLD', controlHost: 'media1' }],
      drives: scene.drives,
    }),
    ListVolumes: async (request) => pageOf(scene.volumes, request),
    ListStorageUnits: async () => scene.units ?? {},
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer-zurich', address: '192.0.2.17' }] }),
    SetDriveState: async ({ name, up, reason }) => {
      const drives = scene.drives.map((row) =>
        row.drive?.name === name ? { ...row, state: up ? 'UP' : 'DOWN', reason } : row,
      );
      scene = { ...scene, drives };
      return {};
    },
  });
  await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    Dump: async () => scene.broker ?? {},
  });
  const asLtid = await bus.as({ service: 'ltid', host: 'media1' });
  await fakeService(asLtid, 'ltid', {
    ReadElements: async () => {
      if (hidden) throw new Error('the robot is away');
      return { elements: scene.elements, moving };
    },
    ListMounts: async () => ({ mounts: scene.mounts ?? [] }),
    ListPending: async () => ({}),
  });
  const tell = async (from: number, to: number, phase: string): Promise<void> => {
    const event = { robotNumber: 0, fromAddress: from, toAddress: to, phase };
    await asLtid.publish('RobotMoved', { ...event, atMs: BigInt(Date.now()) });
  };
  return {
    nbemm,
    change: (next) => {
      scene = next;
    },
    hideRobot: (hide) => {
      hidden = hide;
    },
    begin: async (fromAddress, toAddress) => {
      moving = { fromAddress, toAddress };
      await tell(fromAddress, toAddress, 'began');
    },
    end: async (from, to, phase = 'made') => {
      moving = null;
      if (phase === 'made') scene = { ...scene, elements: moved(scene.elements, from, to) };
      await tell(from, to, phase);
    },
  };
}

function moved(
  elements: readonly Init<Element>[],
  from: number,
  to: number,
): readonly Init<Element>[] {
  const barcode = elements.find(({ address }) => address === from)?.barcode ?? '';
  return elements.map((element) => {
    if (element.address === from) return { ...element, full: false, barcode: '' };
    return element.address === to ? { ...element, full: true, barcode } : element;
  });
}

/** As nbemm's database does it. */
function pageOf(volumes: readonly Init<VolumeRow>[], request: ListVolumesRequest) {
  const { text, mediaId, states, afterMediaId, limit, inRobot } = request;
  const idOf = (row: Init<VolumeRow>): string => row.volume?.mediaId ?? '';
  const some = volumes.filter(
    (row) =>
      (mediaId === '' || idOf(row) === mediaId) &&
      (!inRobot || (row.volume?.slot ?? 0) > 0) &&
      `${idOf(row)} ${row.volume?.barcode}`.includes(text.toUpperCase()),
  );
  const counts: Record<string, number> = {};
  for (const row of some) counts[row.state ?? ''] = (counts[row.state ?? ''] ?? 0) + 1;
  const found = some.filter(
    (row) => idOf(row) > afterMediaId && (states.length === 0 || states.includes(row.state ?? '')),
  );
  const page = limit || 10_000;
  return { volumes: found.slice(0, page), more: found.length > page, counts };
}
