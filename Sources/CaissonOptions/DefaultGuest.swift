import HostIO
package import SystemPackage

/// The guest that boots where no other is named: a folder that holds its kernel and its initial ramdisk.
package struct DefaultGuest {
    package let folder: FilePath

    package var kernel: FilePath { folder.appending("vmlinux") }
    package var ramdisk: FilePath { folder.appending("initramfs.cpio") }
    /// The agent alone, which becomes another root file system.
    package var agentRamdisk: FilePath { folder.appending("agent.cpio") }

    /// The folder that $CAISSON_GUEST names; otherwise the one that was installed with this program, or the one that
    /// `guest-images/build` made last.
    package static func locate() throws(CommandError) -> DefaultGuest {
        if let named = HostProcess.environment("CAISSON_GUEST") { return DefaultGuest(folder: FilePath(named)) }
        let guests = folders.map { DefaultGuest(folder: $0) }
        // Errors other than absence show when the file is opened.
        if let guest = guests.first(where: { (try? Stat($0.kernel)) != nil }) { return guest }
        let places = guests.map(\.folder.string).joined(separator: " nor in ")
        throw .failure("there is no default guest in \(places): build it by guest-images/build, or give --kernel")
    }

    private static var folders: [FilePath] {
        let installed = HostProcess.executablePath.map { own in
            FilePath(own).removingLastComponent().removingLastComponent().appending("share/caisson/guest")
        }
        return [installed, cache?.appending("guest/default")].compactMap { $0 }
    }

    private static var cache: FilePath? {
        if let cache = HostProcess.environment("CAISSON_CACHE") { return FilePath(cache) }
        if let caches = HostProcess.environment("XDG_CACHE_HOME") { return FilePath(caches).appending("caisson") }
        return HostProcess.environment("HOME").map { FilePath($0).appending(".cache/caisson") }
    }
}
