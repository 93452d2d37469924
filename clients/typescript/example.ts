// Compiled in the tests: the generated types describe what AgentGuard answers.
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
type Graph = Schemas["GraphDocument"];
type Simulation = Schemas["SimulationDocument"];
type GraphQuery = NonNullable<paths["/api/graph"]["get"]["parameters"]["query"]>;

export const lastDay: GraphQuery = { dataset: "live", lookback: "24h" };

export function shadowAgents(graph: Graph): string[] {
  return graph.nodes.filter((node) => node.shadow === true).map((node) => node.name);
}

export function slowestDependency(graph: Graph): Schemas["DependencyDocument"] | undefined {
  const p95 = (edge: Schemas["DependencyDocument"]): number => edge.latency_ms?.p95 ?? 0;
  return [...graph.edges].sort((a, b) => p95(b) - p95(a))[0];
}

export function riskFactors(graph: Graph, id: string): string[] {
  const risk = graph.analysis.risks.find((each) => each.id === id);
  return risk?.factors.map((factor) => `${factor.name}: ${factor.contribution.toFixed(1)}`) ?? [];
}

export function summary(simulation: Simulation): string {
  const lost = simulation.impacted_workflows.map(
    (workflow) => `${workflow.name} ${(100 * workflow.share_lost).toFixed(0)} %`,
  );
  return `${simulation.impact_estimate.severity}: ${lost.join(", ")}`;
}

export function result(job: Schemas["JobDocument"]): Simulation | null {
  return job.result !== null && "blast_radius" in job.result ? job.result : null;
}
