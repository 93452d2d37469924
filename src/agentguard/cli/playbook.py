"""`agentguard playbook`: what to do now."""

from __future__ import annotations

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    FullOption,
    examples,
)
from agentguard.cli.simulate import ComponentsArgument, MethodOption, SeedOption

EXAMPLES = examples(
    "agentguard playbook PaymentAgent",
    "agentguard playbook PaymentAgent --format json | jq '.steps[].title'",
)


def playbook(
    components: ComponentsArgument,
    method: MethodOption = None,
    seed: SeedOption = 0,
    dataset: DatasetOption = None,
    *,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write the playbook for a failure.

    Three phases (contain, activate backups, recover), drawn from the graph and from the simulated
    failure of these components.
    """
    from agentguard.cli.opening import opened
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.playbook import playbook_parts
    from agentguard.playbooks.documents import playbook_document
    from agentguard.playbooks.generator import generate
    from agentguard.simulation.model import Method

    found = opened(data_dir, catalog, dataset)
    result = found.simulation(components, Method(method.value) if method else None, seed)
    document = found.origin() | playbook_document(
        generate(found.graph, result, matches=found.matches), links=found.view.links
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(playbook_parts(shown(document), full=full))
