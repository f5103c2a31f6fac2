import CLinux
package import GuestMemory

/// A machine: memory slots, interrupt controllers, timers, doorbells.
///
/// Memory comes first: the first slot after the interrupt controllers costs a hundred times as much on some hosts.
package struct KVMMachine: ~Copyable, Sendable {
    let descriptor: KVMDescriptor
    let runAreaSize: Int
    let canSynchronizeRegisters: Bool

    init(_ descriptor: consuming KVMDescriptor, runAreaSize: Int, canSynchronizeRegisters: Bool) {
        self.descriptor = descriptor
        self.runAreaSize = runAreaSize
        self.canSynchronizeRegisters = canSynchronizeRegisters
    }

    /// Shows the guest its RAM: one slot a region, from slot 0. The memory has to outlive the machine.
    /// - Throws: `requestFailed`.
    package func setMemory(_ memory: GuestMemory) throws(KVMError) {
        for (slot, region) in memory.regions.enumerated() {
            // SAFETY: only the address is taken, for the kernel to map; the guest's RAM outlives the machine.
            guard let host = unsafe try? memory.hostPointer(region.start, region.size) else {
                preconditionFailure("a region lies outside its memory")
            }
            var request = kvm_userspace_memory_region()
            request.slot = UInt32(slot)
            request.guest_phys_addr = region.start.rawValue
            request.memory_size = region.size
            request.userspace_addr = UInt64(UInt(bitPattern: host))
            try descriptor.send(CAISSON_KVM_SET_USER_MEMORY_REGION, request, "KVM_SET_USER_MEMORY_REGION")
        }
    }

    /// Switches a capability on, with the argument that it takes.
    /// - Throws: `requestFailed`.
    package func enable(_ capability: Capability, _ argument: UInt64 = 0) throws(KVMError) {
        var request = kvm_enable_cap()
        request.cap = UInt32(bitPattern: capability.rawValue)
        request.args.0 = argument
        try descriptor.send(CAISSON_KVM_ENABLE_CAP, request, "KVM_ENABLE_CAP")
    }

    /// Makes a vCPU, to be run by the calling thread, which has to stay the same.
    /// - Parameter index: the vCPU's number and local APIC ID.
    /// - Throws: `requestFailed`, `cannotMapRunArea`.
    package func makeVCPU(index: Int) throws(KVMError) -> VCPU {
        let raw = try descriptor.request(CAISSON_KVM_CREATE_VCPU, UInt(index), "KVM_CREATE_VCPU")
        return try VCPU(
            KVMDescriptor(owning: raw), runAreaSize: runAreaSize, canSynchronize: canSynchronizeRegisters)
    }
}
