/// What asked for the machine's reset.
package enum ResetSource: String, Sendable, Equatable {
    /// The keyboard controller's reset line: command 0xfe at port 0x64, or its output port.
    case keyboardController
    /// System control port A, 0x92.
    case systemControlPortA
    /// The reset control register of PC chipsets, port 0xcf9.
    case resetControl
    /// The power register of machines described by a device tree.
    case powerRegister
}

/// What the platform's devices tell their machine. Called on the vCPU's thread that made the access, with no device's
/// lock held; the call returns at once, and the vCPU goes on until the machine stops it.
package protocol MachineEvents: AnyObject, Sendable {
    func resetRequested(by source: ResetSource)
    func powerOffRequested()
    /// The guest ends the machine with this exit status.
    func exitRequested(status: UInt8)
    /// The guest's kernel says that it crashed.
    func guestPanicked()
}
