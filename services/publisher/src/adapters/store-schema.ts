/*
 * block: blocks that the store owns, in the row or in a pack file. file_block: blocks that are parts of result files.
 * member: what a pinned root needs of others; of a staged result only its owned blocks, since its folder holds the rest.
 */
const FIRST = `
CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, data BLOB, pack INTEGER, at INTEGER, stored_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS block_pack ON block (pack) WHERE pack IS NOT NULL;
CREATE TABLE IF NOT EXISTS pack (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS folder (id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS file_folder ON file (folder);
CREATE TABLE IF NOT EXISTS file_block (digest BLOB NOT NULL, file INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (digest, file, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_block_file ON file_block (file);
CREATE TABLE IF NOT EXISTS result (execution_id TEXT PRIMARY KEY, folder INTEGER NOT NULL, cid TEXT NOT NULL, root BLOB NOT NULL, size_bytes INTEGER NOT NULL, skipped TEXT NOT NULL, parts TEXT NOT NULL, manifest_cid TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS result_root ON result (root);
CREATE TABLE IF NOT EXISTS pin (owner TEXT NOT NULL, root BLOB NOT NULL, PRIMARY KEY (owner, root)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pin_root ON pin (root);
CREATE TABLE IF NOT EXISTS member (root BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (root, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS member_digest ON member (digest);
`;

/*
 * tree: files and folders of results that can be read in place. lease: who reads in a folder now. released: roots that lost a pin
 * and were not looked at since.
 */
const KEEPING = `
CREATE TABLE tree (cid TEXT NOT NULL, folder INTEGER NOT NULL, path TEXT NOT NULL, size_bytes INTEGER NOT NULL, PRIMARY KEY (cid, folder, path)) WITHOUT ROWID;
CREATE INDEX tree_folder ON tree (folder);
CREATE TABLE lease (lease_id TEXT NOT NULL, folder INTEGER NOT NULL, PRIMARY KEY (lease_id, folder)) WITHOUT ROWID;
CREATE INDEX lease_folder ON lease (folder);
CREATE TABLE released (root BLOB PRIMARY KEY) WITHOUT ROWID;
ALTER TABLE folder ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN pushed_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN used_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pin ADD COLUMN codec INTEGER NOT NULL DEFAULT 112;
ALTER TABLE pin ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pin ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pin ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pin_expires ON pin (expires_ms) WHERE expires_ms > 0;
UPDATE folder SET size_bytes = coalesce((SELECT size_bytes FROM result WHERE result.folder = folder.id), 0);
UPDATE pin SET
  codec = CASE WHEN EXISTS (SELECT 1 FROM block WHERE digest = pin.root AND (data IS NULL OR hex(substr(data, 1, 1)) NOT IN ('0A', '12'))) THEN 85 ELSE 112 END,
  created_ms = coalesce((SELECT stored_ms FROM block WHERE digest = pin.root), 0),
  size_bytes = (SELECT coalesce(sum(size), 0) FROM (
    SELECT block.digest, block.size FROM member JOIN block ON block.digest = member.digest WHERE member.root = pin.root
    UNION SELECT file_block.digest, file_block.size FROM member JOIN file_block ON file_block.digest = member.digest WHERE member.root = pin.root
    UNION SELECT file_block.digest, file_block.size FROM result JOIN file ON file.folder = result.folder JOIN file_block ON file_block.file = file.id WHERE result.root = pin.root));
`;

/** What makes a store of each version one of the next; the first makes it out of nothing. */
export const SCHEMA_STEPS: readonly string[] = [FIRST, KEEPING];
