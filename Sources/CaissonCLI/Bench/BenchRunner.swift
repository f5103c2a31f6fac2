import Benchmark
import CaissonOptions
import Glibc
import HostIO
import ImageStore

/// Somebody wants the benchmark to end.
struct Interruption: Error, Equatable {
    var signal: Int32
}

/// Runs tasks in engines, one after the other, each to its end.
final class BenchRunner {
    /// How a task ended.
    struct Outcome {
        /// From before its start until its end was seen.
        var time: Duration
        /// The command's exit status, or 128 + n for signal n; nil where it did not end in time or could not be started.
        var status: Int32?
        var output = ""
        /// Why it has no status, or what was written to standard error: the first line of it that says something.
        var message = ""

        /// Why it failed, as a line; nil where it did not.
        var problem: String? {
            guard status != 0 else { return nil }
            let ending = status.map { "exit status \($0)" } ?? "no exit status"
            return message.isEmpty ? ending : message
        }
    }

    /// More output than that is no workload's.
    private static let longestOutput: UInt64 = 1 << 20
    /// Between looks at what cannot be waited for.
    private static let interval = Duration.milliseconds(50)

    let space: BenchSpace
    /// After so much time a task is ended.
    let patience: Duration
    private var taskCount = 0

    init(space: BenchSpace, patience: Duration) {
        self.space = space
        self.patience = patience
    }

    /// A name for the next task.
    func nextID() -> String {
        taskCount += 1
        return "\(space.name)-\(taskCount)"
    }

    /// Runs a command once. Whatever is left of it afterwards is ended and removed.
    /// - Throws: `Interruption`.
    func run(_ words: [String], in root: BenchRoot, _ way: EngineWay, within limit: Duration? = nil) throws -> Outcome {
        let task = BenchTask(id: nextID(), words: words, root: root)
        let started: RunningTask
        do { started = try RunningTask(task, way) } catch { return Outcome(time: .zero, message: "\(error)".printable) }
        defer { remove(started) }
        let deadline = started.begin + (limit ?? patience)
        while !started.program.hasEnded(within: Self.interval) {
            if let problem = try problem(of: started, deadline) {
                return Outcome(time: ContinuousClock.now - started.begin, message: problem)
            }
        }
        let time = ContinuousClock.now - started.begin
        return outcome(of: started, time)
    }

    /// Why it is of no use to wait any longer; nil where it is.
    private func problem(of task: RunningTask, _ deadline: ContinuousClock.Instant) throws -> String? {
        if let signal = HostProcess.heldEndingSignal { throw Interruption(signal: signal) }
        if task.output.size > Self.longestOutput { return "its output has no end" }
        if let sign = task.invocation.signOfFailure {
            let lines = task.messages.text().split(whereSeparator: \.isNewline)
            if let line = lines.first(where: { $0.contains(sign) }) { return String(line).printable }
        }
        guard ContinuousClock.now > deadline else { return nil }
        return "it did not end within \((deadline - task.begin).components.seconds) s"
    }

    private func outcome(of task: RunningTask, _ time: Duration) -> Outcome {
        var status: Int32? = task.program.status()
        var output = task.output.text()
        if task.invocation.isConsole {
            let lines = output.split(whereSeparator: \.isNewline)
            let last = lines.last { $0.hasPrefix(Invocation.statusMark) }
            status = last.flatMap { Int32($0.dropFirst(Invocation.statusMark.count)) }
            output = lines.filter { !$0.hasPrefix(Invocation.statusMark) }.joined(separator: "\n")
        }
        let messages = task.messages.text().split(whereSeparator: \.isNewline)
        // Other programs say first what is wrong.
        let message = task.invocation.isConsole ? Self.reason(onConsole: messages) : messages.first
        return Outcome(time: time, status: status, output: output, message: message.map { String($0).printable } ?? "")
    }

    /// Why a guest ended, by what its console told: the last line before its kernel's crash, which is also what follows the end of the
    /// first process; or the crash, where that is the first line.
    static func reason(onConsole lines: [Substring]) -> Substring? {
        guard let crash = lines.firstIndex(where: { $0.contains("Kernel panic") }) else { return lines.last }
        return lines[..<crash].last ?? lines[crash]
    }

    /// Runs several instances of a command at once that says `ready` and stays; what each of them holds of the host's memory, in bytes.
    /// - Throws: `Interruption`, or a `CommandError` that says why there is no figure.
    func memory(ofEach count: Int, _ words: [String], in root: BenchRoot, _ way: EngineWay) throws -> Double {
        var tasks: [RunningTask] = []
        defer {
            for task in tasks { task.program.signal(SIGTERM) }
            for task in tasks { remove(task) }
        }
        for _ in 0..<count {
            tasks.append(
                try hosted { () throws(HostError) in
                    try RunningTask(BenchTask(id: nextID(), words: words, root: root), way)
                })
        }
        for task in tasks {
            while !task.output.text().contains("ready") {
                if task.program.hasEnded(within: .milliseconds(10)) {
                    throw CommandError.failure(outcome(of: task, .zero).problem ?? "an idle instance ended")
                }
                if let problem = try problem(of: task, task.begin + patience) { throw CommandError.failure(problem) }
            }
        }
        // What a start leaves to be done is done by then.
        _ = tasks[0].program.hasEnded(within: .milliseconds(500))
        let sizes = HostProcess.descendants(of: HostProcess.ownID).compactMap {
            HostProcess.proportionalSetSize(of: $0)
        }
        guard !sizes.isEmpty else { throw CommandError.failure("/proc does not tell what processes hold") }
        return Double(sizes.reduce(0, +)) / Double(count)
    }

    /// Ends what still runs of a task, and its engine's traces of it.
    private func remove(_ task: RunningTask) {
        var wasKilled = false
        if !task.program.hasEnded(within: .zero) {
            task.program.signal(SIGTERM)
            wasKilled = !task.program.hasEnded(within: .seconds(3))
            if wasKilled { task.program.signal(SIGKILL) }
        }
        if task.program.status() != 0 || wasKilled {
            for words in task.invocation.removal { try? space.run(words, environment: task.invocation.environment) }
        }
    }

    /// Waits until nothing is left of the tasks so far, such as a container's monitor, and ends what stays.
    func settle() {
        for _ in 0..<200 {
            HostProcess.reapEnded()
            if HostProcess.descendants(of: HostProcess.ownID).isEmpty { return }
            _ = usleep(10_000)
        }
        HostProcess.endDescendants()
    }
}

/// A task that was started.
struct RunningTask {
    let invocation: Invocation
    let program: ChildProgram
    let output: CapturedOutput
    let messages: CapturedOutput
    /// Before the start.
    let begin: ContinuousClock.Instant

    init(_ task: BenchTask, _ way: EngineWay) throws(HostError) {
        invocation = try way.prepare(task)
        output = try CapturedOutput()
        messages = try CapturedOutput()
        begin = ContinuousClock.now
        program = try ChildProgram(
            invocation.program, invocation.words, environment: invocation.environment, root: invocation.root,
            output: output,
            messages: messages)
    }
}
