import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The process's metrics, in the Prometheus text format on the management port. Labels never come from callers. */
export class Metrics {
  readonly registry = new Registry();
  readonly requests: Histogram<'method' | 'route' | 'status'>;
  /** What `/health` tells, for whoever only reads metrics. */
  readonly checks: Gauge<'check'>;

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'countersign_' });
    this.requests = new Histogram({
      name: 'countersign_http_request_seconds',
      help: 'Time to answer, by route pattern',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers: [this.registry],
    });
    this.checks = this.gauge('countersign_health_check_ok', 'Conditions of being ready: 1 is met, 0 is not', ['check']);
  }

  /** A counter of this process, made at first use; `labels` names its labels. */
  counter<L extends string>(name: string, help: string, labels: L[]): Counter<L> {
    const existing = this.registry.getSingleMetric(name) as Counter<L> | undefined;
    return existing ?? new Counter({ name, help, labelNames: labels, registers: [this.registry] });
  }

  /** A value of this process that goes up and down, made at first use; `labels` names its labels. */
  gauge<L extends string = never>(name: string, help: string, labels: L[] = []): Gauge<L> {
    const existing = this.registry.getSingleMetric(name) as Gauge<L> | undefined;
    return existing ?? new Gauge({ name, help, labelNames: labels, registers: [this.registry] });
  }
}
