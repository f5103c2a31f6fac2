import Benchmark
import Caisson
import CaissonOptions
import HostIO
import ImageStore

/// What `caisson bench` was asked for.
struct BenchPlan {
    var workloads: [Workload]
    /// Those asked for, in the order of reports.
    var engines: [any BenchEngine]
    var rounds: Int
    var warmups: Int
    var limits: BenchLimits
    var isQuick: Bool
    /// The most time that one workload may take in one engine.
    var patience: Duration

    var idleInstances: Int { isQuick ? 2 : 4 }
}

/// One run of the benchmark.
final class BenchRun {
    /// An engine that takes part.
    private struct Participant {
        var engine: BenchmarkReport.Engine
        var way: EngineWay
    }

    private struct Key: Hashable {
        var workload: String
        var engine: String
    }

    private let plan: BenchPlan
    private let folder: WorkloadFolder
    private let runner: BenchRunner
    private let progress: BenchProgress
    private let base: BenchRoot
    private var applications: BenchRoot?
    private var participants: [Participant] = []
    private var omissions: [BenchmarkReport.Omission] = []
    private var readings: [Key: [[Reading]]] = [:]
    private var failures: [BenchmarkReport.Failure] = []

    init(_ plan: BenchPlan, _ folder: WorkloadFolder, base: BenchRoot, in space: BenchSpace, progress: BenchProgress) {
        self.plan = plan
        self.folder = folder
        self.base = base
        self.progress = progress
        runner = BenchRunner(space: space, patience: plan.patience)
    }

    /// - Throws: `CommandError`, `Interruption`.
    func report() throws -> BenchmarkReport {
        let begin = UTCTime.text(HostProcess.timeOfDay)
        let host = HostFacts()
        for engine in plan.engines { try admit(engine) }
        guard !participants.isEmpty else { throw CommandError.failure("no engine runs here") }
        prepareApplications()
        let steps = plan.workloads.flatMap { workload in
            participants.map { Key(workload: workload.name, engine: $0.engine.id) }
        }
        progress.plan(steps.map { "\($0.workload) \($0.engine)" }, warmups: plan.warmups, rounds: plan.rounds)
        for round in 0..<(plan.warmups + plan.rounds) {
            progress.begin(round: round - plan.warmups)
            for workload in plan.workloads { try runRound(round, workload) }
        }
        progress.end()
        return BenchmarkReport(
            setup: .init(
                begin: begin, rounds: plan.rounds, warmups: plan.warmups, processors: plan.limits.processors,
                memory: plan.limits.memory, isQuick: plan.isQuick),
            host: host.facts, isSoftwareKVM: host.isSoftwareKVM, engines: participants.map(\.engine),
            omissions: omissions,
            workloads: plan.workloads, series: series, failures: failures)
    }

    /// Finds out whether an engine takes part, and how.
    private func admit(_ engine: any BenchEngine) throws {
        progress.say("trying \(engine.id)")
        let ways: [EngineWay]
        do {
            if let (name, package) = engine.program, HostFile.program(name) == nil {
                throw CommandError.failure("not installed; `apt-get install \(package)` has it")
            }
            ways = try engine.ways(in: runner.space, plan.limits)
        } catch let error as CommandError {
            return leaveOut(engine, error.message)
        }
        var problem: String?
        for way in ways {
            let outcome = try runner.run(BenchTask.nothing, in: base, way)
            runner.settle()
            guard outcome.problem != nil else {
                let version =
                    engine.program.map { Self.version(of: $0.name) }
                    ?? (engine.id == "caisson" ? "Caisson \(Version.current)" : nil)
                participants.append(
                    Participant(
                        engine: .init(
                            id: engine.id, title: way.title, kind: engine.kind, version: version,
                            notes: way.notes + (problem.map { ["tried before: \($0)"] } ?? [])),
                        way: way))
                return
            }
            // What the most wanted way met is what has to be changed.
            problem = problem ?? outcome.problem
        }
        leaveOut(engine, "does not run here: \(problem ?? "there is no way to start it")")
    }

    private func leaveOut(_ engine: any BenchEngine, _ reason: String) {
        omissions.append(.init(engine: engine.id, reason: reason))
        progress.tell("\(engine.id) is left out: \(reason)")
    }

    /// The first line of what a program says of its version.
    private static func version(of program: String) -> String? {
        guard let output = try? CapturedOutput(), let messages = try? CapturedOutput(),
            let process = try? ChildProgram(
                program, [program, "--version"], environment: HostProcess.environment, output: output,
                messages: messages),
            process.hasEnded(within: .seconds(10)), process.status() == 0
        else { return nil }
        return output.text().split(whereSeparator: \.isNewline).first.map { String($0).printable }
    }

    /// Makes the root file system of applications, if any is to be run.
    private func prepareApplications() {
        let names = plan.workloads.filter { $0.group == WorkloadFolder.applicationGroup }.map(\.name)
        guard !names.isEmpty else { return }
        progress.say("copying the applications' root file system")
        let problem: String
        do {
            if let source = folder.applications {
                applications = try BenchRoot("apps", from: source, in: runner.space)
                return
            }
            problem = "there is no root file system with applications: `guest-images/workloads/build --apps` makes one"
        } catch {
            problem = error.message
        }
        progress.tell("\(names.joined(separator: ", ")): left out, \(problem)")
        for name in names { for participant in participants { fail(name, participant.engine.id, problem) } }
    }

    private func fail(_ workload: String, _ engine: String, _ problem: String) {
        failures.append(.init(workload: workload, engine: engine, problem: problem))
        readings[Key(workload: workload, engine: engine)] = nil
    }

    /// One workload in all engines, of which another one is the first in each round.
    private func runRound(_ round: Int, _ workload: Workload) throws {
        for offset in participants.indices {
            let participant = participants[(round + offset) % participants.count]
            let engine = participant.engine.id
            guard !failures.contains(where: { $0.workload == workload.name && $0.engine == engine }) else { continue }
            progress.step("\(workload.name) \(engine)")
            let key = Key(workload: workload.name, engine: engine)
            do {
                let new = try measure(workload, participant.way)
                if let known = readings[key]?.first, known.map(\.metric) != new.map(\.metric) {
                    throw CommandError.failure("its metrics are not those of the round before")
                }
                if round >= plan.warmups { readings[key, default: []].append(new) }
            } catch let error as CommandError {
                fail(workload.name, engine, error.message)
                progress.tell("\(workload.name) in \(engine) is left out: \(error.message)")
            }
            runner.settle()
        }
    }

    /// - Throws: `Interruption`, or a `CommandError` with the reason why there are no figures.
    private func measure(_ workload: Workload, _ way: EngineWay) throws -> [Reading] {
        switch workload.name {
        case Workload.start.name:
            let outcome = try runner.run(BenchTask.nothing, in: base, way)
            if let problem = outcome.problem { throw CommandError.failure(problem) }
            return [
                Reading(
                    metric: Metric(name: "time", unit: "ms", better: .lower), value: outcome.time / .milliseconds(1))
            ]
        case Workload.idleMemory.name:
            // The first process of a container or a guest gets no signal that it does not ask for.
            let words = ["/bin/sh", "-c", "trap exit TERM; echo ready; sleep 600 & wait"]
            let bytes = try runner.memory(ofEach: plan.idleInstances, words, in: base, way)
            return [
                Reading(metric: Metric(name: "memory", unit: "MiB", better: .lower), value: bytes / Double(1 << 20))
            ]
        default:
            let root = workload.group == WorkloadFolder.applicationGroup ? applications ?? base : base
            let words = ["/bin/workload", workload.name] + (plan.isQuick ? ["--quick"] : [])
            let outcome = try runner.run(words, in: root, way)
            if let problem = outcome.problem { throw CommandError.failure(problem) }
            do { return try WorkloadOutput.readings(outcome.output) } catch {
                throw CommandError.failure(error.message.printable)
            }
        }
    }

    private var series: [BenchmarkReport.Series] {
        plan.workloads.flatMap { workload in
            participants.flatMap { participant -> [BenchmarkReport.Series] in
                let rounds = readings[Key(workload: workload.name, engine: participant.engine.id)] ?? []
                return (rounds.first ?? []).indices.compactMap { index in
                    Samples(rounds.map { $0[index].value }).map { samples in
                        .init(
                            workload: workload.name, engine: participant.engine.id, metric: rounds[0][index].metric,
                            samples: samples)
                    }
                }
            }
        }
    }
}

extension BenchRun {
    /// What the workloads' own program lists.
    static func list(in root: BenchRoot, _ space: BenchSpace) throws(CommandError) -> [Workload] {
        let way = PlainProcess().ways(in: space, BenchLimits(processors: [], memory: 0))[0]
        let outcome: BenchRunner.Outcome
        do {
            outcome = try BenchRunner(space: space, patience: .seconds(30)).run(
                ["/bin/workload", "list"], in: root, way)
        } catch {
            throw .failure("the list of workloads was interrupted")
        }
        if let problem = outcome.problem {
            throw .failure("/bin/workload of the workloads' root file system: \(problem)")
        }
        do { return try WorkloadOutput.workloads(outcome.output) } catch {
            throw .failure("/bin/workload list: \(error.message.printable)")
        }
    }
}
