import CLinux

/// A place that a guest writes to in order to wake a device.
package struct Doorbell: Equatable, Sendable {
    package enum Address: Equatable, Sendable {
        case memory(UInt64)
        case port(UInt16)
    }

    package let address: Address
    /// Bytes of the write: 1, 2, 4 or 8, or 0 for any.
    package let width: Int
    /// The value that rings, or nil for any.
    package let value: UInt64?

    package init(_ address: Address, width: Int, value: UInt64? = nil) {
        self.address = address
        self.width = width
        self.value = value
    }
}

extension KVMMachine {
    /// Signals `event`, an eventfd, when the guest rings; the vCPU goes on at once (ioeventfd).
    /// - Throws: `requestFailed`.
    package func connect(_ doorbell: Doorbell, to event: Int32) throws(KVMError) {
        try setDoorbell(doorbell, event, flags: 0)
    }

    /// Undoes `connect`.
    /// - Throws: `requestFailed`.
    package func disconnect(_ doorbell: Doorbell, from event: Int32) throws(KVMError) {
        try setDoorbell(doorbell, event, flags: 1 << UInt32(kvm_ioeventfd_flag_nr_deassign))
    }

    private func setDoorbell(_ doorbell: Doorbell, _ event: Int32, flags: UInt32) throws(KVMError) {
        var request = kvm_ioeventfd()
        request.fd = event
        request.len = UInt32(doorbell.width)
        request.flags = flags
        switch doorbell.address {
        case .memory(let address): request.addr = address
        case .port(let port):
            request.addr = UInt64(port)
            request.flags |= 1 << UInt32(kvm_ioeventfd_flag_nr_pio)
        }
        if let value = doorbell.value {
            request.datamatch = value
            request.flags |= 1 << UInt32(kvm_ioeventfd_flag_nr_datamatch)
        }
        try descriptor.send(CAISSON_KVM_IOEVENTFD, request, "KVM_IOEVENTFD")
    }
}
