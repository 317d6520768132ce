import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@skrei/proto/grpc/health/v1/health_pb.ts";
import { systemClock } from "./clock.ts";

/**
 * grpc.health.v1.Health for the whole server (the empty name) and each service in `serviceNames`; all of them share `isReady`,
 * which must be cheap: Watch polls it every 250 ms.
 */
export function healthRoutes(router: ConnectRouter, isReady: () => boolean, serviceNames: readonly string[] = []): void {
  const statusOf = (service: string): ServingStatus => {
    if (service !== "" && !serviceNames.includes(service)) return ServingStatus.SERVICE_UNKNOWN;
    return isReady() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  router.service(Health, {
    check: ({ service }) => {
      const status = statusOf(service);
      if (status === ServingStatus.SERVICE_UNKNOWN) throw new ConnectError(`no service ${service}`, Code.NotFound);
      return { status };
    },
    watch: async function* ({ service }, { signal }) {
      let last: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = statusOf(service);
        if (status !== last) yield { status };
        last = status;
        await systemClock.sleep(WATCH_INTERVAL_MS, signal);
      }
    },
  });
}

const WATCH_INTERVAL_MS = 250;
