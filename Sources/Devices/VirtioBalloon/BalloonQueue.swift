import GuestMemory
import Virtio

/// One queue of a balloon while its driver runs it. It is used under its lock.
struct BalloonQueue: ~Copyable {
    /// Page frames that are looked at in one request; Linux has 256. The guest keeps what the host does not take.
    static let frameLimit: UInt64 = 1024
    /// A page frame's size (5.5.6): 4 KiB, whatever the guest's pages are.
    private static let frameShift: UInt64 = 12

    private enum Question {
        case none
        /// The buffer that is in the ring is to be given back, so that the driver fills it anew.
        case asked
        /// The next one is the answer.
        case awaited
    }

    let role: BalloonQueueRole
    private var queue: Virtqueue
    private let index: Int
    private let notifier: VirtioNotifier
    private let memory: GuestMemory
    private let features: VirtioFeatures
    private var question = Question.none

    init(
        _ queue: consuming Virtqueue, index: Int, role: BalloonQueueRole, of activation: VirtioActivation
    ) {
        self.queue = queue
        self.index = index
        self.role = role
        notifier = activation.notifier
        memory = activation.memory
        features = activation.features
    }

    /// For saving. Nothing is ever in flight.
    var state: VirtqueueState? { queue.state }

    /// Serves a batch.
    /// - Parameter poison: what the guest fills its free pages with.
    /// - Returns: statistics, if they came.
    mutating func serve(poison: UInt32) -> BalloonStatistics? {
        let memory = memory
        // A guest that fills its free pages wants to find that there (5.5.6.7).
        let givesBack = poison == 0 || !features.contains(.balloonPagePoison)
        switch role {
        case .inflate:
            notifier.serveBatch(of: &queue, index: index) { request in
                for range in Self.ranges(ofFrames: Self.frames(of: request)) {
                    memory.giveBack(
                        GuestAddress(range.lowerBound << Self.frameShift), count: UInt64(range.count) << Self.frameShift
                    )
                }
                return 0
            }
        case .deflate:
            // The guest uses the pages again: the host gives memory for them then.
            notifier.serveBatch(of: &queue, index: index) { _ in 0 }
        case .reporting:
            notifier.serveBatch(of: &queue, index: index) { request in
                if givesBack { request.giveBackPages(to: memory) }
                return 0
            }
        case .statistics: return serveStatistics()
        }
        return nil
    }

    // MARK: Inflation

    private static func frames(of request: borrowing VirtqueueRequest) -> [UInt32] {
        let count = min(request.readableBytes / 4, frameLimit)
        var frames: [UInt32] = []
        frames.reserveCapacity(Int(count))
        for index in 0..<count {
            if let frame = request.load(UInt32.self, at: 4 * index) { frames.append(frame) }
        }
        return frames
    }

    /// The runs of neighbours in `frames`, which may repeat and come in any order: a system call each.
    static func ranges(ofFrames frames: [UInt32]) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for frame in frames.sorted().lazy.map(UInt64.init) {
            if let last = ranges.last, frame <= last.upperBound {
                ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, frame + 1)
            } else {
                ranges.append(frame..<frame + 1)
            }
        }
        return ranges
    }

    // MARK: Statistics

    /// The driver always has one buffer in the ring, and fills it anew when it gets it back (5.5.6.3). It waits there,
    /// not taken: so it is not in flight, and what it says is as old as the last question.
    mutating func ask() -> BalloonStatistics? {
        if question == .none { question = .asked }
        return serveStatistics()
    }

    private mutating func serveStatistics() -> BalloonStatistics? {
        var answer: BalloonStatistics?
        var failure: VirtqueueError?
        var hasMore = false
        repeat {
            queue.disableNotifications()
            do throws(VirtqueueError) {
                try queue.beginBatch()
                while question != .none, let request = try queue.pop() {
                    if question == .awaited { answer = BalloonStatistics(request) }
                    queue.complete(request, written: 0)
                    question = question == .asked ? .awaited : .none
                }
            } catch { failure = error }
            if queue.publish() { notifier.queueUsed(index) }
            // A buffer that waits for a question is not more to do.
            hasMore = failure == nil && queue.enableNotifications() && question != .none
        } while hasMore
        if let failure { notifier.fail(.queue(index, failure)) }
        return answer
    }
}
