import CLinux
import HostIO
import SystemPackage

extension ImageStore {
    /// Packs a file, or a directory with all that is in it, for machines to read: an EROFS file system with it as `content`.
    /// - Parameter source: a path; a symbolic link that is named is followed, those below are packed.
    package func pack(
        _ source: String, progress: @escaping ImportProgress = { _, _ in }
    ) throws(ImageStoreError) -> PackedFile {
        try prepare()
        let budget = ImportBudget(ImportLimits(), progress: progress)
        budget.begin(.reading)
        let spool = try Spool(in: path)
        let entries = try DirectoryReader(source, into: spool, within: budget).read(as: PackedFile.content)
        return PackedFile(try write(Contents(archive: entries, spool, of: source), source: source, budget))
    }
}

/// Files in a file system of their own, which ends with the last process that has it open.
package struct PackedFile {
    static let content = FileName("content")

    private let file: UnnamedFile

    init(_ file: UnnamedFile) { self.file = file }

    /// Leaves the file open in what this process becomes, and returns its path there.
    package func pathOverExec() throws(ImageStoreError) -> String {
        do {
            // Exec closes the first descriptor and leaves this one.
            return "/proc/self/fd/\(try FileDescriptor(rawValue: file.descriptor).duplicate().rawValue)"
        } catch {
            throw .host(HostError("duplicate", "a file", (error as? Errno) ?? .current))
        }
    }
}
