import GuestMemory
package import HostIO
import KVM
import LinuxBoot
import SoftwareKVM

/// Why a virtual machine could not do what it was asked for, or stopped by itself.
public struct VirtualMachineError: Error, Equatable, Sendable {
    /// What kind of failure it is, for programs.
    public enum Code: String, Sendable {
        /// The configuration describes no machine that can exist.
        case invalidConfiguration
        /// The machine is in a state in which it cannot do that.
        case invalidState
        /// The host lacks KVM, or permission to use it.
        case hypervisorUnavailable
        /// The host refused what the machine needs: memory, a descriptor, an ioctl.
        case hostFailure
        /// The kernel, a ramdisk or the command line cannot be started.
        case cannotBoot
        /// The console could not be opened.
        case consoleFailure
        /// A disk could not be opened.
        case storageFailure
        /// A network could not be had.
        case networkFailure
        /// The guest did what neither the host's KVM nor Caisson can execute.
        case guestNotExecutable
        /// The guest took no connection.
        case connectionFailure
        /// The machine has nothing by which its guest could be asked.
        case notSupported
        /// The guest has no such command.
        case commandNotFound
        /// The guest cannot execute that.
        case commandNotExecutable
        /// The guest's agent refused a command, or the guest ended before it.
        case guestFailure
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, on what, why, and what to do; one line unless `code` is `guestNotExecutable`.
    public let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension VirtualMachineError: CustomStringConvertible {
    /// The message.
    public var description: String { message }
}

extension VirtualMachineError {
    init(_ error: KVMError) {
        switch error {
        case .cannotOpen, .notKVM, .unsupportedAPI, .missingCapability:
            self.init(.hypervisorUnavailable, "\(error)")
        case .requestFailed, .msrRefused, .cannotMapRunArea, .threadLimit:
            self.init(.hostFailure, "\(error)")
        }
    }

    init(_ error: BootError) { self.init(.cannotBoot, "\(error)") }
    package init(_ error: HostError) { self.init(.hostFailure, "\(error)") }
    init(_ diagnosis: Diagnosis) { self.init(.guestNotExecutable, "\(diagnosis)") }
}

/// Runs `body` and turns the kernel's refusals into errors of the machine.
func onHost<Result: ~Copyable>(
    _ body: () throws(KVMError) -> Result
) throws(VirtualMachineError) -> Result {
    do { return try body() } catch { throw VirtualMachineError(error) }
}
