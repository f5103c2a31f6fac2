import ArgumentParser
import CaissonOptions
import ImageStore

/// `caisson image list`
struct ImageListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Shows all images.")

    @Flag(help: "Print JSON, whose keys stay as they are within a schema's number.")
    var json = false

    func run() throws {
        let store = try ImageStore.located()
        let records = try reporting { () throws(ImageStoreError) in try store.images() }
        if json {
            print(JSONValue.object([("schema", .integer(1)), ("images", .array(records.map(\.jsonValue)))]).text)
        } else {
            print(TextTable(rows: [ImageRecord.headings] + records.map(\.row)).text)
        }
    }
}

/// `caisson image inspect`
struct ImageInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Shows all that is known of an image.")

    @Argument(help: ArgumentHelp("The image.", valueName: "name"))
    var name: String

    @Flag(help: "Print JSON, whose keys stay as they are within a schema's number.")
    var json = false

    func run() throws {
        let store = try ImageStore.located()
        let image = try reporting { () throws(ImageStoreError) in try store.image(named: name) }
        if json {
            print(image.jsonValue.text)
        } else {
            print(TextTable(rows: image.rows).text)
        }
    }
}
