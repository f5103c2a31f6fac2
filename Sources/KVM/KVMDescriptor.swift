import CLinux
import HostResources

/// A descriptor of KVM's (the device, a machine, a vCPU) and its ioctls.
struct KVMDescriptor: ~Copyable, Sendable {
    let owned: OwnedFileDescriptor

    init(owning raw: Int32) { owned = OwnedFileDescriptor(owning: raw) }

    var rawValue: Int32 { owned.rawValue }

    /// An ioctl whose argument is a number. Returns what the kernel returned.
    @discardableResult
    func request(
        _ request: caisson_kvm_request, _ value: UInt = 0, _ operation: StaticString
    ) throws(KVMError) -> Int32 {
        try check(caisson_ioctl_value(rawValue, request.number, value), operation)
    }

    /// An ioctl that reads or writes a structure, of the type that the request is for.
    @discardableResult
    func request<Structure>(
        _ request: caisson_kvm_request, _ structure: inout Structure, _ operation: StaticString
    ) throws(KVMError) -> Int32 {
        // SAFETY: the kernel touches the structure's bytes during the call; the caller pairs request and type.
        let result = unsafe withUnsafeMutablePointer(to: &structure) { pointer in
            unsafe caisson_ioctl(rawValue, request.number, pointer)
        }
        return try check(result, operation)
    }

    /// An ioctl that only reads its structure.
    func send<Structure>(
        _ request: caisson_kvm_request, _ structure: Structure, _ operation: StaticString
    ) throws(KVMError) {
        var structure = structure
        try self.request(request, &structure, operation)
    }

    /// An ioctl that fills its structure.
    func receive<Structure>(
        _ request: caisson_kvm_request, _ empty: Structure, _ operation: StaticString
    ) throws(KVMError) -> Structure {
        var structure = empty
        try self.request(request, &structure, operation)
        return structure
    }

    /// An ioctl on a structure that ends in an array.
    @discardableResult
    func request<Element>(
        _ request: caisson_kvm_request, _ array: borrowing TrailingArray<Element>, _ operation: StaticString
    ) throws(KVMError) -> Int32 {
        // SAFETY: the header tells the kernel how many elements there are.
        try check(unsafe caisson_ioctl(rawValue, request.number, array.pointer), operation)
    }
}

extension caisson_kvm_request {
    @inline(__always)
    var number: UInt { UInt(rawValue) }
}
