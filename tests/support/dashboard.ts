import { readFileSync } from "node:fs";

/** docs/monitoring/dashboard.json, as far as tests look at it. */
export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant?: boolean;
  readonly datasource: unknown;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly interval?: string;
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string;
      readonly custom?: { readonly drawStyle: string; readonly stacking?: object };
    };
  };
}

export interface Dashboard {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: unknown;
      readonly datasource?: unknown;
      readonly definition?: string;
    }[];
  };
}

export const dashboard = JSON.parse(
  readFileSync(new URL("../../docs/monitoring/dashboard.json", import.meta.url), "utf8"),
) as Dashboard;
