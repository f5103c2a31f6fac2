import CLinux
import HostIO
import HostResources
import SystemPackage

/// A program of the host's that runs. It is killed when nobody holds it any more.
final class HostProgram {
    private let name: String
    private let process: pid_t
    private let messages: UnnamedFile
    private var isReaped = false
    /// - Parameters:
    ///   - package: Debian's, that has the program.
    ///   - output: its standard output.
    ///   - directory: where its messages are kept meanwhile.
    init(
        _ name: String, _ arguments: [String], package: String, output: Int32, messagesIn directory: String
    ) throws(ImageStoreError) {
        self.name = name
        messages = try UnnamedFile(in: directory)
        // SAFETY: the copies live until the program has started and they are freed.
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([name] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { unsafe words.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let result = unsafe caisson_start_program(name, words, output, messages.descriptor, &process)
        self.process = process
        guard result == 0 else {
            isReaped = true
            throw -result == ENOENT
                ? .program(name, problem: "it is not installed; `apt-get install \(package)` has it")
                : .host(HostError("start", name, Errno(rawValue: -result)))
        }
    }

    /// Starts a program whose standard output can be read.
    static func reading(
        _ name: String, _ arguments: [String], package: String, messagesIn directory: String
    ) throws(ImageStoreError) -> (program: HostProgram, output: OpenFile) {
        var ends: [Int32] = [-1, -1]
        // SAFETY: room for both descriptors.
        let result = unsafe caisson_make_pipe(&ends)
        guard result == 0 else { throw .host(HostError("make", "a pipe", Errno(rawValue: -result))) }
        let reader = OpenFile(OwnedFileDescriptor(owning: ends[0]))
        let writer = OwnedFileDescriptor(owning: ends[1])
        let program = try HostProgram(
            name, arguments, package: package, output: writer.rawValue, messagesIn: directory)
        return (program, reader)
    }

    deinit {
        guard !isReaped else { return }
        _ = kill(process, SIGKILL)
        _ = caisson_reap(process)
    }

    /// Waits for its end.
    /// - Throws: `.program` with the last of its messages if it failed.
    func finish() throws(ImageStoreError) {
        let status = caisson_reap(process)
        isReaped = true
        guard status != 0 else { return }
        let size = try messages.size
        let count = min(size, 4096)
        let text = String(decoding: try messages.bytes(Int(count), at: size - count), as: UTF8.self)
        let last = text.split(separator: "\n").suffix(3).joined(separator: "; ")
        throw .program(name, problem: last.isEmpty ? "it failed with status \(status)" : last)
    }
}
