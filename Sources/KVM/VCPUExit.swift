/// Why a vCPU stopped running its guest. What belongs to an exit is read from the vCPU before it runs again.
package enum VCPUExit: Equatable, Sendable {
    /// The guest reads a port: `VCPU.answer(_:element:_:)` each element.
    case portRead(PortAccess)
    /// The guest wrote to a port: `VCPU.value(of:element:)` each element.
    case portWrite(PortAccess)
    /// The guest reads `width` bytes, 1 to 8, of memory that is not RAM: `VCPU.answerMMIO(_:)`.
    case mmioRead(address: UInt64, width: Int)
    /// The guest wrote the low `width` bytes of `value` to memory that is not RAM.
    case mmioWrite(address: UInt64, width: Int, value: UInt64)
    /// The guest reads a filtered model-specific register: `VCPU.answerMSRRead(_:)`.
    case msrRead(index: UInt32)
    /// The guest wrote one: `VCPU.answerMSRWrite(isAccepted:)`.
    case msrWrite(index: UInt32, value: UInt64)
    /// A breakpoint or a step that the host asked for.
    case debug
    /// HLT, where the kernel has no interrupt controller.
    case halt
    /// A triple fault.
    case shutdown
    /// The guest asked for a shutdown, a reset or reported a crash through KVM, by `KVM_SYSTEM_EVENT_*`.
    case systemEvent(type: UInt32)
    /// A signal, or `immediate_exit`, took the vCPU out.
    case interrupted
    /// KVM's instruction emulator gave up: `VCPU.failedInstruction`.
    case emulationFailed
    /// `KVM_EXIT_INTERNAL_ERROR` with another suberror.
    case internalError(suberror: UInt32)
    /// The processor refused to enter the guest.
    case entryFailed(reason: UInt64)
    /// An exit that nothing in Caisson asks for.
    case unexpected(reason: UInt32)

    /// An access to a port; string instructions have several elements.
    package struct PortAccess: Equatable, Sendable {
        package let port: UInt16
        /// Bytes of an element: 1, 2 or 4.
        package let width: Int
        package let count: Int
        /// Where the elements lie in the vCPU's area, in bytes.
        let offset: Int

        package init(port: UInt16, width: Int, count: Int, offset: Int) {
            self.port = port
            self.width = width
            self.count = count
            self.offset = offset
        }
    }
}
