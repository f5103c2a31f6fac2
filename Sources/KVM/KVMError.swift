import CLinux

/// A request to /dev/kvm that the host's kernel refused, or a host that lacks what a machine takes.
package enum KVMError: Error, Equatable {
    /// The device could not be opened.
    case cannotOpen(path: String, errno: Int32)
    /// The file is no KVM device.
    case notKVM(path: String)
    /// The device speaks another API than version 12, the only stable one.
    case unsupportedAPI(version: Int)
    /// The kernel lacks a capability that Caisson cannot do without.
    case missingCapability(name: String)
    /// An ioctl failed.
    case requestFailed(operation: String, errno: Int32)
    /// The kernel took the first of the model-specific registers it was given and refused the one at `index`.
    case msrRefused(index: UInt32)
    /// A vCPU's area shared with the kernel could not be mapped.
    case cannotMapRunArea(errno: Int32)
    /// KVM could not start a thread of its own, which counts as one of the process's.
    case threadLimit
}

extension KVMError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotOpen(let path, ENOENT):
            "\(path) does not exist: load KVM (modprobe kvm_intel, kvm_amd or kvm_pvm), switch virtualization on in the "
                + "firmware, or, inside a virtual machine, allow nested virtualization"
        case .cannotOpen(let path, EACCES), .cannotOpen(let path, EPERM):
            "no permission to open \(path): join its group (sudo usermod -aG kvm $USER) and log in again"
        case .cannotOpen(let path, let errno): "cannot open \(path): \(Self.text(errno))"
        case .notKVM(let path): "\(path) is not KVM's device"
        case .unsupportedAPI(let version): "KVM speaks API version \(version), and Caisson version 12"
        case .missingCapability(let name): "this kernel's KVM lacks \(name): use a newer kernel"
        case .requestFailed(let operation, let errno): "\(operation) failed: \(Self.text(errno))"
        case .msrRefused(let index):
            "KVM_SET_MSRS failed: the host's KVM does not take register 0x\(String(index, radix: 16))"
        case .threadLimit:
            "KVM cannot start a thread for the machine: a limit is reached (ulimit -u, or a control group's pids.max)"
        case .cannotMapRunArea(let errno): "cannot map a vCPU's kvm_run area: \(Self.text(errno))"
        }
    }

    private static func text(_ errno: Int32) -> String {
        // SAFETY: strerror returns a valid string for every number.
        unsafe String(cString: strerror(errno))
    }
}

/// Turns a shim's negative errno into an error that names the operation.
@inline(__always)
@discardableResult
func check(_ result: Int32, _ operation: StaticString) throws(KVMError) -> Int32 {
    if result < 0 { throw .requestFailed(operation: "\(operation)", errno: -result) }
    return result
}
