import CLinux
import HostIO
import HostResources
import SystemPackage

/// Files of a directory on the host.
struct HostDirectory: BlobFolder {
    let name: String

    func open(_ path: String) throws(ImageStoreError) -> (source: any ByteSource, count: UInt64)? {
        do {
            // No `..`: files outside are none of the layout's.
            _ = try EntryPath(parsing: path.utf8)
        } catch {
            throw .source(name, problem: "\(error)")
        }
        let file = "\(name)/\(path)"
        // SAFETY: the path lives through the call.
        let descriptor = unsafe caisson_open_in(AT_FDCWD, file, 0)
        if descriptor == -ENOENT || descriptor == -ENOTDIR { return nil }
        guard descriptor >= 0 else { throw .host(HostError("open", file, Errno(rawValue: -descriptor))) }
        let owner = OpenFile(OwnedFileDescriptor(owning: descriptor))
        do {
            let size = UInt64(try Stat(FileDescriptor(rawValue: descriptor)).size)
            return (DescriptorSource(stream: owner, name: file), size)
        } catch {
            throw .host(HostError("look at", file, error))
        }
    }
}
