import GuestAgent

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

    /// Runs a command, of which `observer` hears until its end. It ends, at the latest, with the channel.
    package func run(
        _ command: GuestCommand, observer: any CommandObserver
    ) throws(VirtualMachineError) -> CommandChannel {
        let request = try CommandRequest(command)
        guard let agent else {
            throw VirtualMachineError(
                .notSupported, "the machine has no socket device, by which its guest could be asked")
        }
        let setup = configuration.rootFileSystem?.setup(in: configuration)
        return try agent.run(request, setup: setup, observer: observer)
    }
}
