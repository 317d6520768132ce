import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import { draftFromFlags } from "../run/draft-from-flags.ts";
import { FOLLOW_FLAGS, JOB_FLAGS } from "../run/job-flags.ts";
import { runJob } from "../run/run-job.ts";
import { dockerEngine } from "./engine-drafts.ts";
import { RUN_EXIT_CODES } from "./run.ts";

export const dockerRun = defineCommand({
  path: "docker run",
  summary: "Run a container image as a job and show its output here.",
  args: [
    { name: "image", summary: "name[:tag] or name@digest", isRequired: true },
    { name: "command", summary: "what runs in it; after -- nothing is read as a flag", isVariadic: true },
  ],
  flags: {
    ...JOB_FLAGS,
    ...FOLLOW_FLAGS,
    workdir: valueFlag("DIR", "working directory in the container", text, { short: "w" }),
    entrypoint: valueFlag("A,B", "replaces the image's entrypoint", (value) => value.split(",")),
  },
  examples: ["skrei docker run busybox -- echo hello", "skrei docker run -i ./data:/inputs -o out:/out alpine -- cp -r /inputs /out"],
  exitCodes: RUN_EXIT_CODES,
  run: async ({ args, flags, session }) => {
    const [image = "", ...parameters] = args;
    const engine = dockerEngine({ image, parameters, entrypoint: flags.entrypoint ?? [], workingDirectory: flags.workdir ?? "" });
    await runJob({ session, draft: draftFromFlags(flags, engine), folder: process.cwd(), flags });
  },
});
