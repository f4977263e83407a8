// What the devices of the library are called: by NDMP's device names, and by themselves.

export const CHANGER = 'changer0';
export const driveName = (index: number): string => `drive${index}`;

/** How each drive names itself in INQUIRY, and the robot the drives that it serves. */
export const DRIVES = {
  vendor: 'TAPESTRY',
  product: 'VIRTUAL DRIVE',
  revision: '0100',
} as const;
