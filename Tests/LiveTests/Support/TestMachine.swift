import CLinux
import Caisson
import Dispatch
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// A virtual machine whose serial line the test holds.
final class TestMachine: Sendable {
    let machine: VirtualMachine
    private let folder: Folder?
    private let line: Line

    /// What the guest wrote, and where the test is in it.
    private struct Transcript {
        var bytes: [UInt8] = []
        var position = 0
    }

    /// Both directions of the line.
    private final class Line: Sendable {
        let guestReads: FileDescriptor
        let testWrites: FileDescriptor
        let testReads: FileDescriptor
        let guestWrites: FileDescriptor
        let transcript = Mutex(Transcript())

        init() throws {
            (guestReads, testWrites) = try FileDescriptor.pipe()
            (testReads, guestWrites) = try FileDescriptor.pipe()
            DispatchQueue(label: "transcript").async { [self] in
                var buffer = [UInt8](repeating: 0, count: 65536)
                while let count = try? buffer.withUnsafeMutableBytes({ try testReads.read(into: $0) }), count > 0 {
                    transcript.withLock { $0.bytes += buffer[..<count] }
                }
                try? testReads.close()
            }
        }

        deinit { _ = try? testWrites.close() }
    }

    /// - Parameter change: what differs from a machine with 64 MiB that ends when its guest resets it.
    init(
        _ loader: LinuxBootLoader, in folder: Folder? = nil,
        change: (inout VirtualMachineConfiguration) -> Void = { _ in }
    ) throws {
        line = try Line()
        self.folder = folder
        var configuration = VirtualMachineConfiguration(bootLoader: loader)
        configuration.memorySize = 64 << 20
        configuration.restartsOnReset = false
        configuration.serialPorts = [
            .init(attachment: FileHandleSerialPortAttachment(reading: line.guestReads, writing: line.guestWrites))
        ]
        change(&configuration)
        machine = try VirtualMachine(configuration: configuration)
    }

    /// A machine that starts `kernel`, the content of a file.
    convenience init(
        kernel: [UInt8], change: (inout VirtualMachineConfiguration) -> Void = { _ in }
    ) throws {
        let folder = Folder()
        let path = folder.file("kernel", kernel)
        try self.init(LinuxBootLoader(kernel: FilePath(path)), in: folder, change: change)
    }

    deinit {
        _ = try? line.guestReads.close()
        _ = try? line.guestWrites.close()
    }

    /// Starts the machine and waits for its end.
    func run() async throws -> VirtualMachine.StopReason {
        try await machine.start()
        return try await machine.waitUntilStopped()
    }

    func send(_ text: String) throws { _ = try line.testWrites.writeAll(text.utf8) }

    /// All that the guest wrote so far.
    var output: String { line.transcript.withLock { String(decoding: $0.bytes, as: UTF8.self) } }

    /// Waits until the guest wrote `text` behind what was expected before, and returns what came in between.
    @discardableResult
    func expect(
        _ text: String, within limit: Duration = .seconds(60), sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let wanted = Array(text.utf8)
        let deadline = ContinuousClock.now + limit
        while true {
            let found: String? = line.transcript.withLock { transcript in
                let rest = transcript.bytes[transcript.position...]
                guard let range = rest.firstRange(of: wanted) else { return nil }
                transcript.position = range.upperBound
                return String(decoding: rest[..<range.lowerBound], as: UTF8.self)
            }
            if let found { return found }
            if ContinuousClock.now > deadline || machine.state == .stopped || machine.state == .error {
                Issue.record(
                    "the guest did not write '\(text)' but:\n\(output.suffix(2000))", sourceLocation: sourceLocation)
                throw Missing(text: text)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    struct Missing: Error {
        let text: String
    }
}
