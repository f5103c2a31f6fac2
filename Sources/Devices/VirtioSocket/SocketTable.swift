/// The connections of a device: at most `VirtioSocket.connectionLimit`, those included whose end is still to be told or
/// whose host has not taken everything. And the line of those that have something for the guest.
struct SocketTable {
    private(set) var slots: [SocketConnection?] = []
    private var free: [Int] = []
    private var numbers: [SocketPorts: Int] = [:]
    private var line = SocketLine<Int>()
    private var nextPort = firstPort

    /// Ports of the host's that connections to the guest come from are above those that services have.
    static let firstPort: UInt32 = 1 << 30

    var isFull: Bool { slots.count - free.count >= VirtioSocket.connectionLimit }

    subscript(ports: SocketPorts) -> (number: Int, connection: SocketConnection)? {
        guard let number = numbers[ports], let connection = slots[number] else { return nil }
        return (number, connection)
    }

    /// The connection with that number; nil where there is none any more.
    subscript(number: Int) -> SocketConnection? { number < slots.count ? slots[number] : nil }

    /// Adds a connection, whose ports no other has, where the table is not full.
    mutating func insert(_ connection: SocketConnection) -> Int {
        let number: Int
        if let last = free.popLast() {
            number = last
            slots[number] = connection
        } else {
            number = slots.count
            slots.append(connection)
        }
        numbers[connection.ports] = number
        return number
    }

    /// The ports are free again; the connection keeps its place.
    mutating func releasePorts(of connection: SocketConnection) { numbers[connection.ports] = nil }

    /// Takes a connection out whose ports are free, at once or when its turn in the line comes: a number is in the line
    /// once at most.
    mutating func remove(_ number: Int) {
        if let connection = slots[number], connection.isWaiting {
            connection.phase = .gone
            return
        }
        slots[number] = nil
        free.append(number)
    }

    /// A port of the host's for a connection to the guest's `port`.
    mutating func takePort(toGuest port: UInt32) -> UInt32 {
        while true {
            let candidate = nextPort
            nextPort = candidate >= .max - 1 ? Self.firstPort : candidate + 1
            if numbers[SocketPorts(host: candidate, guest: port)] == nil { return candidate }
        }
    }

    // MARK: The line

    var isLineEmpty: Bool { line.isEmpty }
    /// The first in the line.
    var first: Int? { line.first }

    /// Puts a connection at the end of the line, unless it is in it.
    mutating func enqueue(_ number: Int) {
        guard let connection = slots[number], !connection.isWaiting else { return }
        connection.isWaiting = true
        line.append(number)
    }

    /// Takes the first out of the line.
    mutating func dequeue() {
        guard let number = line.popFirst(), let connection = slots[number] else { return }
        connection.isWaiting = false
        if connection.phase == .gone { remove(number) }
    }

    /// The first goes to the end.
    mutating func rotate() {
        if let number = line.popFirst() { line.append(number) }
    }

    func forEachInLine(_ body: (SocketConnection) -> Void) {
        line.forEach { number in slots[number].map(body) }
    }
}

/// First in, first out.
struct SocketLine<Element> {
    private var elements: [Element] = []
    private var start = 0

    var isEmpty: Bool { start == elements.count }
    var count: Int { elements.count - start }
    var first: Element? { isEmpty ? nil : elements[start] }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        defer {
            start += 1
            // What was taken is dropped when it is most of the array, so the memory is bounded by what waits.
            if start >= 64, start * 2 >= elements.count {
                elements.removeFirst(start)
                start = 0
            }
        }
        return elements[start]
    }

    func forEach(_ body: (Element) -> Void) { elements[start...].forEach(body) }
}
