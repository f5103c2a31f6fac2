package import CLinux

/// The open /dev/kvm: what the host offers, and where machines come from.
package struct KVMSystem: ~Copyable, Sendable {
    private let descriptor: KVMDescriptor
    /// Bytes of a vCPU's `kvm_run` area.
    let runAreaSize: Int

    package static let defaultPath = "/dev/kvm"

    /// Opens KVM and checks that it speaks API version 12.
    ///
    /// - Throws: `cannotOpen`, `notKVM`, `unsupportedAPI`, `requestFailed`.
    package init(path: String = Self.defaultPath) throws(KVMError) {
        // SAFETY: the path is a C string during the call.
        let opened = unsafe caisson_open_device(path)
        guard opened >= 0 else { throw .cannotOpen(path: path, errno: -opened) }
        let descriptor = KVMDescriptor(owning: opened)
        let version = caisson_ioctl_value(opened, CAISSON_KVM_GET_API_VERSION.number, 0)
        guard version >= 0 else { throw .notKVM(path: path) }
        guard version == KVM_API_VERSION else { throw .unsupportedAPI(version: Int(version)) }
        runAreaSize = Int(try descriptor.request(CAISSON_KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE"))
        self.descriptor = descriptor
    }

    /// The capability's value: 0 where it is absent, otherwise 1 or the number it stands for.
    package func value(of capability: Capability) -> Int {
        let value = caisson_ioctl_value(
            descriptor.rawValue, CAISSON_KVM_CHECK_EXTENSION.number, UInt(capability.rawValue))
        return max(0, Int(value))
    }

    package func has(_ capability: Capability) -> Bool { value(of: capability) > 0 }

    /// - Throws: `missingCapability` for the first of `Capability.required` that is absent.
    package func checkRequiredCapabilities() throws(KVMError) {
        for (capability, name) in Capability.required where !has(capability) {
            throw .missingCapability(name: name)
        }
    }

    /// The CPUID leaves that KVM can show a guest on this host. Costs most of a millisecond: ask once.
    /// - Throws: `requestFailed`.
    package func supportedCPUID() throws(KVMError) -> [kvm_cpuid_entry2] {
        let table = TrailingArray<kvm_cpuid_entry2>(capacity: 256)
        try descriptor.request(CAISSON_KVM_GET_SUPPORTED_CPUID, table, "KVM_GET_SUPPORTED_CPUID")
        return table.elements
    }

    /// Indices of the model-specific registers that belong to a vCPU's state on this host.
    /// - Throws: `requestFailed`.
    package func msrIndices() throws(KVMError) -> [UInt32] {
        let list = TrailingArray<UInt32>(capacity: 1024, headerSize: 4)
        try descriptor.request(CAISSON_KVM_GET_MSR_INDEX_LIST, list, "KVM_GET_MSR_INDEX_LIST")
        return list.elements
    }

    /// Makes an empty machine.
    /// - Throws: `requestFailed`.
    package func makeMachine() throws(KVMError) -> KVMMachine {
        var result: Int32
        // A signal can interrupt the creation; the kernel asks for another try.
        repeat {
            result = caisson_ioctl_value(descriptor.rawValue, CAISSON_KVM_CREATE_VM.number, 0)
        } while result == -EINTR
        return KVMMachine(
            KVMDescriptor(owning: try check(result, "KVM_CREATE_VM")), runAreaSize: runAreaSize,
            canSynchronizeRegisters: value(of: .syncRegisters) & 3 == 3)
    }
}
