// The servers on Go's net: a goroutine per connection. Names one of echo, lines, frames, fanout on the command line;
// behind echo, the size of a connection's buffer.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	block        = 64 * 1024
	lengthBytes  = 4
	hardLifetime = 120 * time.Second
)

var echoBlock = block

func main() {
	if len(os.Args) > 2 {
		bytes, err := strconv.Atoi(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		echoBlock = bytes
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serve := map[string]func(net.Conn){"echo": echo, "lines": lines, "frames": frames, "fanout": participate}[os.Args[1]]
	time.AfterFunc(hardLifetime, func() { os.Exit(3) })
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			defer connection.Close()
			serve(connection)
		}()
	}
}

// Not io.Copy: that splices in the kernel, and a server that only moves bytes is not what is compared.
func echo(connection net.Conn) {
	buffer := make([]byte, echoBlock)
	for {
		got, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:got]); err != nil {
			return
		}
	}
}

// Replies collect while there is more to read without waiting.
func lines(connection net.Conn) {
	reader := bufio.NewReaderSize(connection, 2*block)
	writer := bufio.NewWriterSize(connection, block)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := writer.Write(line); err != nil {
			return
		}
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

func frames(connection net.Conn) {
	reader := bufio.NewReaderSize(connection, block)
	writer := bufio.NewWriterSize(connection, block)
	frame := make([]byte, lengthBytes)
	for {
		if _, err := io.ReadFull(reader, frame[:lengthBytes]); err != nil {
			return
		}
		whole := lengthBytes + int(binary.BigEndian.Uint32(frame))
		if whole > cap(frame) {
			frame = append(make([]byte, 0, whole), frame[:lengthBytes]...)
		}
		if _, err := io.ReadFull(reader, frame[lengthBytes:whole]); err != nil {
			return
		}
		if _, err := writer.Write(frame[:whole]); err != nil {
			return
		}
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

// A subscriber is a queue, with a goroutine that writes what is in it.
type subscriber struct {
	queue      chan []byte
	connection net.Conn
}

var (
	mutex       sync.Mutex
	subscribers = map[*subscriber]struct{}{}
)

func participate(connection net.Conn) {
	reader := bufio.NewReaderSize(connection, block)
	role, err := reader.ReadString('\n')
	if err != nil {
		return
	}
	if role == "SUB\n" {
		own := &subscriber{make(chan []byte, 1024), connection}
		connection.Write([]byte("ready\n"))
		mutex.Lock()
		subscribers[own] = struct{}{}
		mutex.Unlock()
		go own.write()
		io.Copy(io.Discard, reader)
		mutex.Lock()
		if _, still := subscribers[own]; still {
			delete(subscribers, own)
			close(own.queue)
		}
		mutex.Unlock()
		return
	}
	connection.Write([]byte("ready\n"))
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		publish([]byte("> " + line))
	}
}

func publish(message []byte) {
	mutex.Lock()
	defer mutex.Unlock()
	for each := range subscribers {
		select {
		case each.queue <- message:
		default:
			// It takes nothing.
			delete(subscribers, each)
			close(each.queue)
			each.connection.(*net.TCPConn).SetLinger(0)
			each.connection.Close()
		}
	}
}

func (own *subscriber) write() {
	writer := bufio.NewWriterSize(own.connection, block)
	for message := range own.queue {
		if _, err := writer.Write(message); err != nil {
			return
		}
		if len(own.queue) == 0 && writer.Flush() != nil {
			return
		}
	}
}
