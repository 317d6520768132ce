import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A bare repository with one commit of one README, as any web server can serve it (the dumb protocol). */
export async function writeGitRepository(folder: string, readme: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "skrei-git-"));
  const env = { PATH: process.env["PATH"], HOME: work, GIT_CONFIG_NOSYSTEM: "1" };
  const author = ["-c", "user.name=lab", "-c", "user.email=lab@example.com"];
  const git = (...args: readonly string[]): Promise<unknown> => run("git", [...author, ...args], { cwd: work, env, timeout: 20_000 });
  try {
    await git("init", "--quiet", "--initial-branch=main");
    await writeFile(join(work, "README"), readme);
    await git("add", "README");
    await git("commit", "--quiet", "--message", "first");
    await git("clone", "--quiet", "--bare", work, folder);
    await git("--git-dir", folder, "update-server-info");
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A flat Debian repository that lists one package. */
export async function writeAptRepository(folder: string, packageName: string): Promise<void> {
  await mkdir(folder);
  const packages = [
    `Package: ${packageName}`,
    "Version: 1.0",
    "Architecture: all",
    `Filename: ./${packageName}.deb`,
    "Size: 1",
    `SHA256: ${"0".repeat(64)}`,
    "Description: nothing\n",
  ].join("\n");
  const digest = createHash("sha256").update(packages).digest("hex");
  await writeFile(join(folder, "Packages"), packages);
  const release = ["Origin: lab", "Date: Thu, 01 Jan 2026 00:00:00 UTC", "SHA256:", ` ${digest} ${packages.length} Packages\n`].join("\n");
  await writeFile(join(folder, "Release"), release);
}
