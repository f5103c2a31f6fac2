import HostIO

extension ImageStore {
    private static let backingFileOffset: UInt64 = 8
    private static let incompatibleFeaturesOffset: UInt64 = 72
    /// Bit 2: the data is in another file.
    private static let externalData: UInt8 = 1 << 2

    /// Keeps the disk that a qcow2 file describes (QEMU's docs/interop/qcow2.txt).
    ///
    /// One that names other files is refused: what it was would depend on what those hold, and it could name any of the host's.
    func convert(_ name: ImageName, _ source: SourceFile, _ budget: ImportBudget) throws(ImageStoreError) -> ImageRecord
    {
        // qemu-img does not read what a machine writes to, and takes our lock for one of those.
        let version = try source.bytes(4, at: 4)
        let hasBackingFile = try source.bytes(8, at: Self.backingFileOffset).contains { $0 != 0 }
        let features = try source.bytes(8, at: Self.incompatibleFeaturesOffset)
        guard !hasBackingFile, version[3] < 3 || features[7] & Self.externalData == 0 else {
            throw .source(
                source.path, problem: "its data is in another file too; `qemu-img convert` makes one disk of them")
        }
        let file = try UnnamedFile(in: path)
        // A slash before any colon: a path, and no protocol of qemu-img's.
        let input = source.path.hasPrefix("/") ? source.path : "./\(source.path)"
        let program = try HostProgram(
            "qemu-img", ["convert", "-f", "qcow2", "-O", "raw", input, "/dev/fd/1"], package: "qemu-utils",
            output: file.descriptor, messagesIn: path)
        try program.finish()
        guard let layout = try DiskLayout(lookingAt: file, name: source.path) else {
            throw .source(source.path, problem: "its disk has no file system or partitions that Caisson knows")
        }
        return try takeIn(
            name, file, layout, source: source.path, configuration: ImageConfiguration(), budget)
    }
}
