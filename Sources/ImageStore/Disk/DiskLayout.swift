/// Where a disk has its root file system.
struct DiskLayout: Equatable {
    var fileSystem: FileSystemKind
    /// As Linux counts them; 0 where the whole disk is the file system.
    var partition: Int

    /// Nil for what is neither a file system nor a disk with partitions.
    /// - Parameter name: the disk's, for errors.
    init?(lookingAt disk: some DiskContents, name: String) throws(ImageStoreError) {
        if let fileSystem = try FileSystemKind.detect(on: disk), fileSystem.canBeRoot {
            self.fileSystem = fileSystem
            partition = 0
            return
        }
        guard let table = try PartitionTable(of: disk) else { return nil }
        var found: [(partition: PartitionTable.Partition, fileSystem: FileSystemKind)] = []
        for partition in table.partitions {
            if let fileSystem = try FileSystemKind.detect(on: disk, at: partition.start), fileSystem.canBeRoot {
                found.append((partition, fileSystem))
            }
        }
        // Where the table does not tell, the first one: cloud images have their root first, whatever its number.
        guard let root = found.first(where: \.partition.isRoot) ?? found.first else {
            throw .source(
                name,
                problem: "none of its \(table.partitions.count) partitions has a root file system that Caisson knows")
        }
        fileSystem = root.fileSystem
        partition = root.partition.number
    }

    init(fileSystem: FileSystemKind, partition: Int) {
        self.fileSystem = fileSystem
        self.partition = partition
    }
}
