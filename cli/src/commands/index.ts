import type { CommandDefinition } from "../command.ts";
import { complete } from "./complete.ts";
import { completion } from "./completion.ts";
import { dataGc } from "./data-gc.ts";
import { dataGet } from "./data-get.ts";
import { dataLs } from "./data-ls.ts";
import { dataPin } from "./data-pin.ts";
import { dataPut } from "./data-put.ts";
import { dataRm } from "./data-rm.ts";
import { dataStat } from "./data-stat.ts";
import { demo } from "./demo.ts";
import { dev } from "./dev.ts";
import { dockerRun } from "./docker-run.ts";
import { doctor } from "./doctor.ts";
import { jobDescribe } from "./job-describe.ts";
import { jobExecutions } from "./job-executions.ts";
import { jobGet } from "./job-get.ts";
import { jobHistory } from "./job-history.ts";
import { jobList } from "./job-list.ts";
import { jobLogs } from "./job-logs.ts";
import { jobPlan } from "./job-plan.ts";
import { jobRerun } from "./job-rerun.ts";
import { jobResults } from "./job-results.ts";
import { jobRun } from "./job-run.ts";
import { jobStop } from "./job-stop.ts";
import { jobValidate } from "./job-validate.ts";
import { jobWait } from "./job-wait.ts";
import { jobWatch } from "./job-watch.ts";
import { netExplain } from "./net-explain.ts";
import { netList } from "./net-list.ts";
import { nodeApprove, nodeDrain, nodeReject, nodeUndrain } from "./node-changes.ts";
import { nodeDescribe } from "./node-describe.ts";
import { nodeList } from "./node-list.ts";
import { run } from "./run.ts";
import { version } from "./version.ts";
import { wasmRun } from "./wasm-run.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDefinition[] = [
  dev,
  demo,
  run,
  dockerRun,
  wasmRun,
  jobRun,
  jobList,
  jobDescribe,
  jobLogs,
  jobGet,
  jobResults,
  jobStop,
  jobRerun,
  jobWait,
  jobWatch,
  jobExecutions,
  jobHistory,
  jobValidate,
  jobPlan,
  nodeList,
  nodeDescribe,
  nodeApprove,
  nodeReject,
  nodeDrain,
  nodeUndrain,
  dataPut,
  dataLs,
  dataGet,
  dataPin,
  dataRm,
  dataGc,
  dataStat,
  netList,
  netExplain,
  doctor,
  completion,
  complete,
  version,
];
