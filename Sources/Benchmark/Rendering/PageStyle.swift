/// How a page looks, in light and in dark.
enum PageStyle {
    static let css = """
        :root { --paper: #fcfcfb; --ink: #1c1d1f; --faint: #5f6368; --line: #dcdcd8; --process: #4d5358; --container: #0b6e8f; \
        --machine: #b3470f; --warning: #fff1d6; }
        @media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e9e9e6; --faint: #a0a5ab; --line: #34383d; \
        --process: #b4bac0; --container: #57b8d9; --machine: #f08a4b; --warning: #3a2d12; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 800px; margin: 0 auto; padding: 24px 20px 48px; }
        h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.4em 0; }
        h2 { font-size: 1.25rem; margin: 2em 0 0.2em; }
        h3 { font-size: 0.95rem; font-weight: 600; color: var(--faint); margin: 1.2em 0 0.4em; }
        p { margin: 0.3em 0; overflow-wrap: anywhere; }
        .lead { color: var(--faint); }
        .warning { background: var(--warning); padding: 10px 14px; border-radius: 6px; }
        .scroll { overflow-x: auto; }
        svg { display: block; width: 100%; min-width: 560px; height: auto; font: 12.5px system-ui, sans-serif; }
        svg .grid { stroke: var(--line); }
        svg .axis { fill: var(--faint); font-size: 11.5px; }
        svg .label, svg .value { fill: var(--ink); }
        svg .value { font-variant-numeric: tabular-nums; }
        .process { --colour: var(--process); } .container { --colour: var(--container); } .machine { --colour: var(--machine); }
        .band { fill: var(--colour); opacity: 0.25; }
        .median { stroke: var(--colour); stroke-width: 2.5; }
        .sample { fill: var(--colour); opacity: 0.65; }
        .outlier { fill: none; stroke: var(--colour); stroke-width: 1.3; }
        details { color: var(--faint); font-size: 0.85rem; }
        summary { cursor: pointer; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: 400; }
        tr:first-child th { vertical-align: bottom; }
        dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr; gap: 2px 18px; font-size: 0.9rem; }
        dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
        footer { margin-top: 3em; color: var(--faint); font-size: 0.85rem; }
        """
}
