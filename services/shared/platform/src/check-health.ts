/**
 * `node check-health.ts PORT`: exit 0 when the service on this machine's port says that it serves, else 1 with the reason. For health
 * checks of containers, which have no other tool at hand.
 */
const TIMEOUT_MS = 3_000;

async function main(port: string | undefined): Promise<string | undefined> {
  if (port === undefined || !/^\d{1,5}$/u.test(port)) return "usage: node check-health.ts PORT";
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.text();
    return text.includes('"SERVING"') ? undefined : `not serving: ${text}`;
  } catch (error) {
    return `no answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const problem = await main(process.argv[2]);
if (problem !== undefined) process.stderr.write(`${problem}\n`);
process.exitCode = problem === undefined ? 0 : 1;
