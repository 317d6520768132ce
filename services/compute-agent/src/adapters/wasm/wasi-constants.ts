/** Numbers of WASI snapshot_preview1 (typenames.witx). */
export const FILE_TYPE = { unknown: 0, blockDevice: 1, characterDevice: 2, directory: 3, regularFile: 4, symbolicLink: 7 } as const;

export const OPEN_FLAG = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
export const LOOKUP_FOLLOW = 1;
export const FD_FLAG = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;
export const TIMES_FLAG = { atime: 1, atimeNow: 2, mtime: 4, mtimeNow: 8 } as const;
export const WHENCE = { set: 0, current: 1, end: 2 } as const;
export const CLOCK = { realtime: 0, monotonic: 1, processCpu: 2, threadCpu: 3 } as const;
export const EVENT = { clock: 0, fdRead: 1, fdWrite: 2 } as const;

export const RIGHT = {
  fdDatasync: 1n << 0n,
  fdRead: 1n << 1n,
  fdSeek: 1n << 2n,
  fdstatSetFlags: 1n << 3n,
  fdSync: 1n << 4n,
  fdTell: 1n << 5n,
  fdWrite: 1n << 6n,
  fdAdvise: 1n << 7n,
  fdAllocate: 1n << 8n,
  createDirectory: 1n << 9n,
  createFile: 1n << 10n,
  linkSource: 1n << 11n,
  linkTarget: 1n << 12n,
  pathOpen: 1n << 13n,
  readdir: 1n << 14n,
  readlink: 1n << 15n,
  renameSource: 1n << 16n,
  renameTarget: 1n << 17n,
  pathFilestatGet: 1n << 18n,
  pathSetSize: 1n << 19n,
  pathSetTimes: 1n << 20n,
  filestatGet: 1n << 21n,
  setSize: 1n << 22n,
  setTimes: 1n << 23n,
  symlink: 1n << 24n,
  removeDirectory: 1n << 25n,
  unlinkFile: 1n << 26n,
  poll: 1n << 27n,
} as const;

const ALL_RIGHTS = (1n << 30n) - 1n;

const FILE_ONLY = RIGHT.fdRead | RIGHT.fdSeek | RIGHT.fdTell | RIGHT.fdWrite | RIGHT.fdAllocate | RIGHT.setSize | RIGHT.fdDatasync;

/** Of a directory itself; seek and tell are left out, as wasi-libc takes their presence for a regular file. */
export const DIRECTORY_RIGHTS = ALL_RIGHTS & ~FILE_ONLY;
/** Of what is opened below a directory. */
export const INHERITED_RIGHTS = ALL_RIGHTS;
export const FILE_RIGHTS =
  FILE_ONLY | RIGHT.fdSync | RIGHT.fdAdvise | RIGHT.fdstatSetFlags | RIGHT.filestatGet | RIGHT.setTimes | RIGHT.poll;
/** Rights whose request means that the file is to be opened for writing. */
export const WRITE_RIGHTS = RIGHT.fdWrite | RIGHT.fdAllocate | RIGHT.setSize;
export const STDIN_RIGHTS = RIGHT.fdRead | RIGHT.filestatGet | RIGHT.poll | RIGHT.fdstatSetFlags;
export const STDOUT_RIGHTS = RIGHT.fdWrite | RIGHT.filestatGet | RIGHT.poll | RIGHT.fdstatSetFlags | RIGHT.fdSync | RIGHT.fdDatasync;
