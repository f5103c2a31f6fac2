import Caisson
import HostIO
import SystemPackage

/// Directories of the host's for the guest.
extension RunOptions {
    /// The shares that are asked for, each behind those that it lies in: a directory in a share is mounted after that.
    func shareSpecifications() throws(CommandError) -> [ShareSpecification] {
        var shares: [ShareSpecification] = []
        for text in share {
            do throws(ShareSpecificationError) { shares.append(try ShareSpecification(text)) } catch {
                throw .usage("--share: \(error)")
            }
        }
        let paths = shares.map(\.guestPath)
        if let path = paths.first(where: { path in paths.count { $0 == path } > 1 }) {
            throw .usage("--share: two shares are at \(path) in the guest; give each a path of its own")
        }
        for share in shares { try Self.check(share.hostPath) }
        return shares.sorted { $0.guestPath.utf8.count < $1.guestPath.utf8.count }
    }

    private static func check(_ path: String) throws(CommandError) {
        let type: FileType
        do { type = try Stat(FilePath(path)).type } catch {
            throw .failure(
                error == .noSuchFileOrDirectory
                    ? "--share: there is no directory \(path): make it (mkdir -p), or name another"
                    : "--share: \(path) cannot be looked at: \(error)")
        }
        guard type == .directory else {
            throw .failure("--share: \(path) is no directory: share the one that it is in")
        }
    }

    /// What tells the agent of its shares: words of the kernel's command line, which become its environment.
    static func words(for shares: [ShareSpecification]) -> [String] {
        shares.enumerated().map { index, share in
            let path = share.guestPath.utf8.map(escaped).joined()
            return
                "CAISSON_SHARE\(index)=\(MachineDescription.shareTag(index)):\(share.isReadOnly ? "ro" : "rw"):\(path)"
        }
    }

    /// A byte of a path, where it could mean something to the kernel by two digits behind `%`.
    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            String(Unicode.Scalar(byte))
        default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
