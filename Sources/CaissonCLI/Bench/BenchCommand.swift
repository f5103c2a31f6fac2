import ArgumentParser
import Benchmark
import Caisson
import CaissonOptions
import HostIO
import SystemPackage

/// `caisson bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures what a virtual machine costs, against containers and a plain process.",
        usage: """
            caisson bench [<workload>...] [<options>]
            caisson bench compare <before> <after>
            caisson bench --list
            """,
        discussion: """
            Runs the same programs as a plain process, in containers and in virtual machines, in turns, and shows medians with \
            their intervals and the ratio to the plain process. What is not installed is left out.
            """)

    static let mostRounds: UInt64 = 10_000
    private static let usualRounds = 10
    private static let quickRounds = 3

    @Argument(
        help: ArgumentHelp(
            """
            What to measure: names of workloads, or of groups of them. (default: all; --list shows them) Or `compare` and two files \
            that --json wrote.
            """,
            valueName: "workload"))
    var workloads: [String] = []

    @Option(
        help: ArgumentHelp(
            "Where: process, bubblewrap, crun, runc, podman, caisson and qemu, parted by commas. (default: all that are installed)",
            valueName: "list"))
    var engines: String?

    @Option(
        help: ArgumentHelp(
            "How often each workload is measured in each engine. (default: 10, with --quick 3)", valueName: "number"))
    var rounds: String?

    @Option(help: ArgumentHelp("How often it runs before that. (default: 1)", valueName: "number"))
    var warmup: String?

    @Option(
        help: ArgumentHelp(
            "The host's processors that everything runs on, as in 0,2-3. A machine has as many. (default: one, the last)",
            valueName: "list"))
    var cpus: String?

    @Option(
        name: [.customShort("m", allowingJoined: true), .long],
        help: ArgumentHelp(
            "Memory of machines, and of containers where it can be limited. (default: 256M)", valueName: "size"))
    var memory: String?

    @Option(
        help: ArgumentHelp("The most time for one run of a workload in one engine. (default: 10m)", valueName: "time"))
    var timeout: String?

    @Flag(help: "A tenth of the work and few rounds: shows that it works, not how fast it is.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            "Also write all figures as JSON, for `compare`; - is standard output, alone.", valueName: "file"),
        completion: .file())
    var json: String?

    @Option(
        help: ArgumentHelp("Also write a page with plots, which needs no other file.", valueName: "file"),
        completion: .file())
    var html: String?

    @Option(
        name: .customLong("workloads"),
        help: ArgumentHelp(
            "Where the workloads are, as guest-images/workloads/build makes them.", valueName: "directory"),
        completion: .directory)
    var workloadFolder: String?

    @Flag(help: "Show the workloads and engines, and measure nothing.")
    var list = false

    func run() throws {
        if workloads.first == "compare" { return try compare() }
        let limits = try limits()
        let engines = try chosenEngines()
        let rounds = try count(rounds, "--rounds", least: 1) ?? (quick ? Self.quickRounds : Self.usualRounds)
        let warmups = try count(warmup, "--warmup", least: 0) ?? 1
        let patience = try patience()
        if json != "-" { try check(json, "--json") }
        try check(html, "--html")
        let folder = try WorkloadFolder.locate(workloadFolder)
        HostProcess.holdEndingSignals()
        try hosted { () throws(HostError) in try HostProcess.useProcessors(limits.processors) }
        let output: String
        do {
            let space = try hosted { () throws(HostError) in try BenchSpace() }
            defer { space.close() }
            let base = try BenchRoot("base", from: folder.base, in: space)
            let available = Workload.outside + (try BenchRun.list(in: base, space))
            if list {
                output = Self.table(of: available, engines)
            } else {
                let plan = BenchPlan(
                    workloads: try choose(available), engines: engines, rounds: rounds, warmups: warmups,
                    limits: limits,
                    isQuick: quick, patience: patience)
                let report = try BenchRun(plan, folder, base: base, in: space, progress: BenchProgress()).report()
                output = try write(report)
            }
        } catch let interruption as Interruption {
            throw ExitCode(128 + interruption.signal)
        }
        print(output)
    }

    private func compare() throws(CommandError) {
        let options = [engines, rounds, warmup, cpus, memory, timeout, json, html, workloadFolder]
        guard workloads.count == 3, options.allSatisfy({ $0 == nil }), !quick, !list else {
            throw .usage("compare takes two files that --json wrote, the older one first, and no options")
        }
        print(Comparison(try BenchmarkReport(file: workloads[1]), try BenchmarkReport(file: workloads[2])).text)
    }

    /// Finds out before, and not after minutes of work, that a file cannot be where it was asked for.
    private func check(_ path: String?, _ option: String) throws(CommandError) {
        guard let path else { return }
        guard !path.isEmpty, path != "-" else { throw .usage("\(option) '\(path)' is no path of a file") }
        let folder = FilePath(path).removingLastComponent().string
        guard folder.isEmpty || HostFile.exists(folder) else {
            throw .failure("\(option) \(path): there is no folder \(folder)")
        }
    }

    private func limits() throws(CommandError) -> BenchLimits {
        let allowed = HostProcess.processors
        var processors = allowed.suffix(1).map { $0 }
        if let cpus {
            guard let list = ProcessorList(parsing: cpus) else {
                throw .usage(
                    "--cpus '\(cpus)' is no list of processors: use numbers from 0 to \(ProcessorList.numbers.upperBound), as in 0,2-3"
                )
            }
            processors = Set(list.processors).sorted()
            if let number = processors.first(where: { !allowed.contains($0) }) {
                throw .usage(
                    "--cpus \(cpus): this process may not use a processor \(number), only \(allowed.map(String.init).joined(separator: ","))"
                )
            }
        }
        return BenchLimits(processors: processors, memory: try RunOptions.memorySize(memory ?? "256M"))
    }

    private func chosenEngines() throws(CommandError) -> [any BenchEngine] {
        let all = BenchEngines.all
        guard let engines else { return all }
        let names = engines.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for name in names where !all.contains(where: { $0.id == name }) {
            throw .usage("--engines '\(name)' is unknown: use \(all.map(\.id).joined(separator: ", "))")
        }
        return all.filter { names.contains($0.id) }
    }

    private func choose(_ available: [Workload]) throws(CommandError) -> [Workload] {
        for name in workloads where !available.contains(where: { $0.name == name || $0.group == name }) {
            throw .usage("there is no workload '\(name)'; `caisson bench --list` shows them")
        }
        guard !workloads.isEmpty else { return available }
        return available.filter { workloads.contains($0.name) || workloads.contains($0.group) }
    }

    private func count(_ text: String?, _ option: String, least: UInt64) throws(CommandError) -> Int? {
        guard let text else { return nil }
        let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, let number = UInt64(text), (least...Self.mostRounds).contains(number) else {
            throw .usage("\(option) '\(text)' is no number from \(least) to \(Self.mostRounds)")
        }
        return Int(number)
    }

    private func patience() throws(CommandError) -> Duration {
        guard let timeout else { return .seconds(600) }
        guard let time = TimeSpan(parsing: timeout), (1...86_400_000).contains(time.milliseconds) else {
            throw .usage("--timeout '\(timeout)' is no time from 1ms to 1d: use a number and ms, s, m or h, as in 5m")
        }
        return .milliseconds(Int64(time.milliseconds))
    }

    /// Writes the files that were asked for; what is for standard output.
    private func write(_ report: BenchmarkReport) throws(CommandError) -> String {
        let document = report.json.text
        do throws(HostError) {
            if let json, json != "-" { try HostFile.write(document + "\n", to: json) }
            if let html { try HostFile.write(ReportPage(report, version: Version.current).html, to: html) }
        } catch {
            // What was measured is not lost.
            print(report.text)
            throw .failure("\(error)")
        }
        return json == "-" ? document : report.text
    }

    private static func table(of workloads: [Workload], _ engines: [any BenchEngine]) -> String {
        let rows = [["WORKLOAD", "GROUP", ""]] + workloads.map { [$0.name, $0.group, $0.summary] }
        let engineRows =
            [["ENGINE", ""]]
            + engines.map { engine in
                let missing = engine.program.flatMap { HostFile.program($0.name) == nil ? $0.package : nil }
                return [engine.id, missing.map { "not installed; `apt-get install \($0)` has it" } ?? "installed"]
            }
        return TextTable(rows: rows).text + "\n\n" + TextTable(rows: engineRows).text
    }
}
