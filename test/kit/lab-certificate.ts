import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface LabCertificate {
  /** What a client must trust. */
  readonly authority: string;
  readonly key: string;
  readonly certificate: string;
}

/** A certificate for all of `names` (wildcards and addresses may be among them), from an authority that signs nothing else. */
export async function makeLabCertificate(folder: string, names: readonly string[]): Promise<LabCertificate> {
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): Promise<unknown> => run("openssl", args, { timeout: 20_000 });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const authority = ["-keyout", path("authority.key"), "-out", path("authority.pem"), "-subj", "/CN=lab authority"];
  await openssl("req", "-x509", ...newKey, ...authority, "-addext", "keyUsage=critical,keyCertSign");
  await openssl("req", ...newKey, "-keyout", path("origin.key"), "-out", path("origin.csr"), "-subj", "/CN=origin");
  const subjects = names.map((name) => (/^[\d.]+$|:/u.test(name) ? `IP:${name}` : `DNS:${name}`));
  await writeFile(path("extensions"), `subjectAltName=${subjects.join(",")}\n`);
  const signer = ["-CA", path("authority.pem"), "-CAkey", path("authority.key"), "-CAcreateserial", "-days", "2"];
  await openssl("x509", "-req", "-in", path("origin.csr"), ...signer, "-extfile", path("extensions"), "-out", path("origin.pem"));
  const read = (name: string): Promise<string> => readFile(path(name), "utf8");
  return { authority: await read("authority.pem"), key: await read("origin.key"), certificate: await read("origin.pem") };
}
