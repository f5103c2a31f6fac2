package import SystemPackage

/// Why a network cannot be had.
package enum NetworkError: Error, Equatable {
    case noTun(Errno)
    /// - Parameter exists: whether there is an interface of that name.
    case noTap(name: String, exists: Bool, Errno)
    case wrongMTU(name: String, mtu: Int)
    case refused(HostError)
}

extension NetworkError: CustomStringConvertible {
    /// One line: what, where, why, and what to do.
    package var description: String {
        switch self {
        case .noTun(.noSuchFileOrDirectory), .noTun(.noSuchAddressOrDevice):
            "this host has no tap interfaces: there is no /dev/net/tun; as root, modprobe tun"
        case .noTun(let errno) where errno == .permissionDenied || errno == .notPermitted:
            "cannot open /dev/net/tun: \(errno); as root, chmod 0666 /dev/net/tun (it gives nobody an interface)"
        case .noTun(let errno): "cannot open /dev/net/tun: \(errno)"
        case .noTap(let name, let exists, let errno)
        where errno == .notPermitted || errno == .permissionDenied:
            exists
                ? "cannot use the interface \(name): it is not yours; "
                    + "as root, ip tuntap add \(name) mode tap user $USER makes one that is"
                : "cannot make a tap interface: \(errno); as root, ip tuntap add \(name) mode tap user $USER, "
                    + "then use tap=\(name)"
        case .noTap(let name, true, .resourceBusy):
            "the tap interface \(name) is in use, perhaps by another machine; each needs its own"
        case .noTap(let name, true, .invalidArgument): "the interface \(name) is no tap interface"
        case .noTap(let name, let exists, let errno):
            "cannot \(exists ? "use" : "make") the tap interface \(name): \(errno)"
        case .wrongMTU(let name, let mtu):
            "the interface \(name) has an MTU of \(mtu), no guest's: ip link set \(name) mtu 1500"
        case .refused(let error): "\(error)"
        }
    }
}
