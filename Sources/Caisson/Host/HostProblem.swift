import CLinux
import KVM

/// What keeps a host from running machines.
package struct HostProblem: Equatable, Sendable {
    /// What failed and why, in one line.
    package var what: String
    /// What to do, in one line.
    package var advice: String?

    package init(_ what: String, advice: String? = nil) {
        self.what = what
        self.advice = advice
    }
}

extension HostProblem {
    /// - Parameters:
    ///   - modules: those of the KVM family that the kernel has.
    ///   - access: the device's permissions, if it exists.
    init(_ error: KVMError, processor: ProcessorFacts, modules: [String], access: DeviceAccess?) {
        switch error {
        case .cannotOpen(let path, ENOENT), .cannotOpen(let path, ENODEV), .cannotOpen(let path, ENXIO),
            .cannotOpen(let path, ENOTDIR):
            self.init(
                access == nil ? "\(path) does not exist" : "there is no driver behind \(path)",
                advice: Self.adviceOnAbsence(of: path, processor, modules))
        case .cannotOpen(let path, EACCES), .cannotOpen(let path, EPERM):
            let owners = access.map { " (it is \($0.owner):\($0.group)'s, mode \(String($0.mode, radix: 8)))" } ?? ""
            self.init("no permission to open \(path)\(owners)", advice: access?.advice(device: path))
        case .notKVM(let path): self.init("\(path) is not KVM's device", advice: "name KVM's: \(KVMSystem.defaultPath)")
        case .unsupportedAPI, .missingCapability: self.init("\(error)", advice: "boot a newer kernel")
        case .requestFailed("KVM_CREATE_VM", EBUSY):
            self.init(
                "\(error)",
                advice:
                    "another hypervisor (VirtualBox, VMware) holds the processor's virtualization: stop its machines")
        case .requestFailed("KVM_CREATE_VM", ENODEV), .requestFailed("KVM_CREATE_VM", EOPNOTSUPP):
            self.init("\(error)", advice: "switch virtualization (VT-x or SVM) on in the firmware's setup")
        case .cannotOpen, .requestFailed, .msrRefused, .cannotMapRunArea, .threadLimit: self.init("\(error)")
        }
    }

    private static func adviceOnAbsence(
        of path: String, _ processor: ProcessorFacts, _ modules: [String]
    ) -> String {
        if !modules.isEmpty {
            return "the kernel has \(modules.joined(separator: " and ")): in a container, hand the device in "
                + "(docker run --device \(path))"
        }
        if processor.hasVMX { return "sudo modprobe kvm_intel" }
        if processor.hasSVM { return "sudo modprobe kvm_amd" }
        if processor.isVirtual {
            return
                "this host is a virtual machine: have nested virtualization allowed for it, or use a kernel whose KVM "
                + "needs none (sudo modprobe kvm_pvm)"
        }
        return "switch virtualization (VT-x or SVM) on in the firmware's setup"
    }
}
