import GuestAgent
import HostIO

/// Commands in the guest, by its agent.
extension VirtualMachine {
    /// Runs a command in the guest, as soon as that is up, and returns when the command has started. The machine needs a socket
    /// device, and its guest Caisson's agent, which the default guest and every guest with a
    /// `VirtualMachineConfiguration.rootFileSystem` has.
    /// - Throws: `commandNotFound` and `commandNotExecutable` for what the guest cannot execute; `guestFailure` for all else that
    ///   the guest refused, and where it ended before that; `invalidState` while the machine does not run;
    ///   `notSupported` without a socket device; `invalidConfiguration` for a command that cannot be.
    public func run(_ command: GuestCommand) async throws(VirtualMachineError) -> GuestProcess {
        let record = ProcessRecord()
        record.setChannel(try run(command, observer: record))
        return GuestProcess(record, processIdentifier: try await record.started().get())
    }

    /// Copies a file or a directory with all that is in it from the guest to the host. It takes its place once all of it has come;
    /// what fails leaves nothing.
    /// - Parameters:
    ///   - path: an absolute path in the guest. A symbolic link that is named is followed, those below are copied.
    ///   - destination: where it goes on the host. A file goes into a directory that is there, and takes another file's place; a
    ///     directory joins one that is there, or with a slash at the path's end goes into it.
    /// - Throws: `guestFailure` where the guest cannot read it, `hostFailure` where it cannot be written, and what `run(_:)` throws.
    public func copyOut(_ path: String, to destination: String) async throws(VirtualMachineError) {
        let copy: GuestCopyOut
        do throws(HostError) { copy = try GuestCopyOut(from: path, to: destination) } catch {
            throw VirtualMachineError(error)
        }
        let problem = await withCheckedContinuation { continuation in
            copy.start(in: self) { continuation.resume(returning: $0) }
        }
        if let problem { throw VirtualMachineError(.guestFailure, problem) }
    }

    /// Runs a command, of which `observer` hears until its end. It ends, at the latest, with the channel.
    package func run(
        _ command: GuestCommand, observer: any CommandObserver
    ) throws(VirtualMachineError) -> CommandChannel {
        let request = try CommandRequest(command)
        guard let agent else {
            throw VirtualMachineError(
                .notSupported, "the machine has no socket device, by which its guest could be asked")
        }
        return try agent.run(request, preparation: GuestPreparation(configuration), observer: observer)
    }
}
