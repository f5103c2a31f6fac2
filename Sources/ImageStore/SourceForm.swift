import SystemPackage

/// What a source is, by what it has.
enum SourceForm {
    case directory
    case ociLayout
    /// A tar archive; what is in it shows when it is read.
    case archive
    case disk(DiskLayout)
    case qcow2

    init(of file: SourceFile) throws(ImageStoreError) {
        switch file.kind {
        case .directory:
            let folder = HostDirectory(name: file.path)
            self = try folder.isOCILayout ? .ociLayout : .directory
        case .regular, .blockSpecial:
            if try file.bytes(4, at: 0) == Array("QFI".utf8) + [0xfb] {
                self = .qcow2
            } else if let layout = try DiskLayout(lookingAt: file, name: file.path) {
                self = .disk(layout)
            } else if file.kind == .blockSpecial {
                throw .source(file.path, problem: "it is no disk with a file system that Caisson knows")
            } else {
                self = .archive
            }
        default: self = .archive
        }
    }

    var canHaveTags: Bool {
        switch self {
        case .ociLayout, .archive: true
        case .directory, .disk, .qcow2: false
        }
    }

    var name: String {
        switch self {
        case .directory: "a directory"
        case .ociLayout: "an OCI layout"
        case .archive: "an archive"
        case .disk: "a disk"
        case .qcow2: "a qcow2 disk"
        }
    }
}

extension BlobFolder {
    func has(_ path: String) throws(ImageStoreError) -> Bool { try open(path) != nil }

    var isOCILayout: Bool {
        get throws(ImageStoreError) {
            guard try has("oci-layout") else { return false }
            return try has("index.json")
        }
    }
}
