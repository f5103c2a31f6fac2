import CLinux
import HostResources
import SystemPackage

/// A program of the host's, started by this process as the leader of a process group of its own. The group is killed when nobody
/// holds this any more.
package final class ChildProgram {
    package let id: Int32
    private let end: OwnedFileDescriptor
    private var reapedStatus: Int32?

    /// - Parameters:
    ///   - program: a path, or a name that is looked for in PATH.
    ///   - words: its arguments, its name first.
    ///   - environment: all of its environment.
    ///   - root: its root directory, in which `program` is a path then; only for a process of one thread that may change its own.
    ///   - output: takes what it writes to its standard output.
    ///   - messages: takes what it writes to its standard error.
    package init(
        _ program: String, _ words: [String], environment: [String], root: String? = nil, output: CapturedOutput,
        messages: CapturedOutput
    ) throws(HostError) {
        // SAFETY: the copies live until the program has started and they are freed.
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer { unsafe (arguments + variables).forEach { unsafe free($0) } }
        var process: pid_t = 0
        let result = unsafe caisson_start_group(
            program, &arguments, &variables, root, output.descriptor, messages.descriptor, &process)
        guard result == 0 else { throw HostError("start", program, Errno(rawValue: -result)) }
        let descriptor = caisson_open_process(process)
        guard descriptor >= 0 else {
            kill(-process, SIGKILL)
            _ = caisson_reap(process)
            throw HostError("watch", program, Errno(rawValue: -descriptor))
        }
        id = process
        end = OwnedFileDescriptor(owning: descriptor)
    }

    deinit {
        kill(-id, SIGKILL)
        if reapedStatus == nil { _ = caisson_reap(id) }
    }

    /// Waits until the program has ended, for at most `time`; whether it has.
    package func hasEnded(within time: Duration) -> Bool {
        let (seconds, attoseconds) = time.components
        let milliseconds = min(max(0, seconds), 1000) * 1000 + attoseconds / 1_000_000_000_000_000
        return reapedStatus != nil || caisson_poll(end.rawValue, Int16(POLLIN), Int32(milliseconds)) != 0
    }

    /// Waits for the end: the exit status, or 128 + n for signal n.
    package func status() -> Int32 {
        if let reapedStatus { return reapedStatus }
        let status = caisson_reap(id)
        reapedStatus = status
        return status
    }

    /// Sends a signal to all processes of the group.
    package func signal(_ number: Int32) { kill(-id, number) }
}

/// What a program writes, kept in memory by the kernel. Whoever runs a program that may write without end has to look at `size`.
package final class CapturedOutput {
    private let file: OwnedFileDescriptor

    package init() throws(HostError) {
        let descriptor = unsafe caisson_make_memory_file("caisson-output", 0)  // SAFETY: a literal.
        guard descriptor >= 0 else { throw HostError("make", "a file in memory", Errno(rawValue: -descriptor)) }
        file = OwnedFileDescriptor(owning: descriptor)
    }

    var descriptor: Int32 { file.rawValue }

    package var size: UInt64 {
        (try? FileDescriptor(rawValue: descriptor).stat()).map { UInt64(max(0, $0.size)) } ?? 0
    }

    /// What was written by now, up to `limit` bytes.
    package func text(limit: Int = 1 << 20) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(min(size, UInt64(limit))))
        // SAFETY: the array holds as many bytes as are read.
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe caisson_pread(file.rawValue, buffer.baseAddress, buffer.count, 0)
        }
        return String(decoding: bytes.prefix(Int(max(0, count))), as: UTF8.self)
    }
}
