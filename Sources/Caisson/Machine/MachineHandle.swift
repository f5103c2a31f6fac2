import Devices
import GuestMemory
import KVM

/// A machine of the kernel's and its memory, kept for all who use them.
final class MachineHandle: Sendable {
    let kvm: KVMMachine
    let memory: GuestMemory

    init(_ kvm: consuming KVMMachine, memory: GuestMemory) {
        self.kvm = kvm
        self.memory = memory
    }
}

/// A device's interrupt line, by the number that the kernel's routes know it by.
final class GSILine: InterruptLine, Sendable {
    private let machine: MachineHandle
    private let gsi: UInt32

    init(_ machine: MachineHandle, gsi: UInt32) {
        self.machine = machine
        self.gsi = gsi
    }

    func set(_ level: Bool) {
        do {
            try machine.kvm.setInterrupt(gsi: gsi, isAsserted: level)
        } catch {
            // The kernel refuses lines that no route knows: none of those that devices have.
            preconditionFailure("interrupt \(gsi): \(error)")
        }
    }
}
