/// An image that can be run. While somebody holds one of these, the image stays in the store.
package struct StoredImage: Sendable {
    package let record: ImageRecord
    /// The file that holds the file system or disk. It never changes: machines only read it.
    package let rootPath: String
    /// Keeps the image from being removed. A command that becomes the machine's program lets it hold until the process ends.
    package let use: FileLock

    package var name: String { record.name }
    package var digest: ImageDigest { record.digest }
    package var fileSystem: FileSystemKind { record.fileSystem }
    /// The partition that has the file system, as Linux counts them; 0 where the file is all of it.
    package var partition: Int { record.partition }
    package var size: UInt64 { record.size }
    package var configuration: ImageConfiguration { record.configuration }
}
