// The suite of the Drive port, over emulated drives behind the whole initiator.

import { driveConformance } from '@tapestry/storage/conformance';
import { startTape } from './tape-fixture.ts';

driveConformance('iSCSI, emulated drive', (wanted) => startTape(wanted), { fence: false });

driveConformance(
  'iSCSI, emulated drive that knows no positions',
  (wanted) => startTape({ ...wanted, isSimple: true }),
  { fence: false },
);

driveConformance(
  'iSCSI, emulated drive that knows neither positions nor lengths',
  (wanted) => startTape({ ...wanted, isSimple: true, isSilent: true }),
  { fence: false },
);
