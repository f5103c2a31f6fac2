import Glibc
import HostIO
import TestSupport
import Testing

@testable import ImageStore

/// A store in a folder of its own.
struct TestStore {
    let folder = Folder()
    var store: ImageStore { ImageStore(at: "\(folder.path)/store") }

    @discardableResult
    func importArchive(_ bytes: [UInt8], as name: String = "image", tag: String? = nil) throws -> ImageRecord {
        try store.importImage(ImageName(name), from: folder.file("source.tar", bytes), tag: tag)
    }

    /// What an import complains of; nil if it does not.
    func complaint(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// An image's files, as another program would find them.
    func files(of name: String = "image") throws -> ErofsReader {
        let image = try store.image(named: name)
        return try ErofsReader(fileBytes(image.rootPath))
    }

    /// Every file of the store's but its lock.
    var litter: [String] {
        (names(in: store.path) + names(in: store.blobs) + names(in: store.names)).filter {
            ![".", "..", "blobs", "names", "lock"].contains($0)
        }.sorted()
    }
}

/// All bytes of a file.
func fileBytes(_ path: String) -> [UInt8] {
    let file = Descriptor.opening(path, O_RDONLY)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = read(file.raw, &buffer, buffer.count)
        guard count > 0 else { return bytes }
        bytes += buffer[..<count]
    }
}
