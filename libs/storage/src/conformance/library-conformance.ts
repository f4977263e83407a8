// What every Library must do, as tests. Run it over an implementation: `libraryConformance('memory', factory)`.

import { afterEach, describe, expect, test } from 'vitest';
import { block, expectStatus, kinds, owner } from './drive-conformance.ts';
import { cleaning, driveFaults, robotFaults } from './fault-conformance.ts';
import {
  type CleaningWanted,
  find,
  type LibraryFactory,
  type LibraryFixture,
  type MakeLibrary,
} from './library-fixture.ts';

const BARCODES = ['A00001L8', 'A00002L8'];

export interface LibraryAbilities {
  /** An emulation: it knows who has a drive open, and its fixture puts faults into it. Default true. */
  readonly emulated?: boolean;
}

export function libraryConformance(
  name: string,
  factory: LibraryFactory,
  abilities: LibraryAbilities = {},
): void {
  describe(`library: ${name}`, () => {
    const fixtures: LibraryFixture[] = [];
    afterEach(async () => {
      for (const fixture of fixtures.splice(0)) await fixture.dispose();
    });
    const make = async (cleaning?: CleaningWanted): Promise<LibraryFixture> => {
      const fixture = await factory(BARCODES, cleaning);
      fixtures.push(fixture);
      return fixture;
    };
    inventories(make);
    moves(make);
    if (abilities.emulated === false) return;
    driveRules(make);
    robotFaults(make);
    driveFaults(make);
    cleaning(make);
  });
}

type Make = MakeLibrary;

function inventories(make: Make): void {
  test('the inventory has each element once, by address, with the cartridges in the first slots', async () => {
    const { library } = await make();
    const elements = await library.inventory();
    const addresses = elements.map((element) => element.address);
    expect(addresses).toEqual([...new Set(addresses)].sort((a, b) => a - b));
    const full = elements.filter((element) => element.full);
    expect(full.map(({ type, index, barcode }) => `${type} ${index} ${barcode}`)).toEqual(
      BARCODES.map((barcode, i) => `slot ${i} ${barcode}`),
    );
    expect(await library.rescan()).toEqual(elements);
    expect((await library.identity()).serial).not.toBe('');
  });
}

function moves(make: Make): void {
  test('a cartridge goes where it is told, and every view of the library sees it', async () => {
    const { library, reopen } = await make();
    const slot = await find(library, 'slot', 0);
    const drive = await find(library, 'drive', 1);
    await library.move(slot.address, drive.address);
    for (const view of [library, await reopen()]) {
      expect(await find(view, 'drive', 1)).toMatchObject({
        full: true,
        barcode: 'A00001L8',
        sourceAddress: slot.address,
      });
      expect(await find(view, 'slot', 0)).toMatchObject({ full: false, barcode: null });
    }
    const door = await find(library, 'importExport', 0);
    await library.move(drive.address, door.address);
    expect(await find(library, 'importExport', 0)).toMatchObject({ barcode: 'A00001L8' });
  });

  test('a move that cannot be made changes nothing', async () => {
    const { library } = await make();
    const before = await library.inventory();
    const [first, second, third] = [
      (await find(library, 'slot', 0)).address,
      (await find(library, 'slot', 1)).address,
      (await find(library, 'slot', 2)).address,
    ];
    await expectStatus(library.move(third, first), 'slotEmpty');
    await expectStatus(library.move(first, second), 'notMountable');
    await expectStatus(library.move(first, first), 'notMountable');
    await expectStatus(library.move(first, 65_000), 'invalidParameter');
    await expectStatus(library.move(65_000, first), 'invalidParameter');
    const robot = await find(library, 'robot', 0);
    await expectStatus(library.move(first, robot.address), 'invalidParameter');
    expect(await library.inventory()).toEqual(before);
  });
}

function driveRules(make: Make): void {
  test('a drive reads what the robot brought, also when it was opened before', async ({ skip }) => {
    const { library, openDrive } = await make();
    if (!openDrive) return skip();
    const slots = [await find(library, 'slot', 0), await find(library, 'slot', 1)] as const;
    const bay = await find(library, 'drive', 0);
    const drive = await openDrive(0, owner(1));
    expect(await drive.loadState()).toMatchObject({ loaded: false, barcode: null });
    for (const [i, slot] of slots.entries()) {
      await library.move(slot.address, bay.address);
      expect(await drive.loadState()).toMatchObject({ loaded: true, barcode: BARCODES[i] });
      expect(await kinds(drive)).toEqual(['endOfData']);
      await drive.writeBlocks([block(100, i)]);
      await drive.unload();
      await library.move(bay.address, slot.address);
    }
    await library.move(slots[0].address, bay.address);
    expect(await kinds(drive)).toEqual(['block', 'endOfData']);
  });

  test('no cartridge leaves a drive under its owner, unless a higher epoch says so', async ({
    skip,
  }) => {
    const { library, openDrive } = await make();
    if (!openDrive) return skip();
    const slot = await find(library, 'slot', 0);
    const bay = await find(library, 'drive', 0);
    await library.move(slot.address, bay.address);
    const drive = await openDrive(0, owner(5));
    await drive.writeBlocks([block(100, 1)]);
    expect(await find(library, 'drive', 0)).toMatchObject({ accessible: false });
    await expectStatus(library.move(bay.address, slot.address), 'mediaInUse');
    await expectStatus(library.move(bay.address, slot.address, { fence: owner(4) }), 'staleGrant');
    expect(await drive.writeBlocks([block(100, 2)])).toMatchObject({ written: 1 });
    await library.move(bay.address, slot.address, { fence: owner(6) });
    await expectStatus(drive.writeBlocks([block(100, 3)]), 'staleGrant');
    await expectStatus(openDrive(0, owner(5)), 'staleGrant');
  });

  test('a drive that its owner closed gives the cartridge to the robot', async ({ skip }) => {
    const { library, openDrive } = await make();
    if (!openDrive) return skip();
    const slot = await find(library, 'slot', 0);
    const bay = await find(library, 'drive', 0);
    await library.move(slot.address, bay.address);
    const drive = await openDrive(0, owner(5));
    await drive.close();
    expect(await find(library, 'drive', 0)).toMatchObject({ accessible: true });
    await library.move(bay.address, slot.address);
    expect(await find(library, 'slot', 0)).toMatchObject({ barcode: 'A00001L8' });
  });
}
