package fhirtrial;

import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorService;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.SearchPreferHandlingInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * A FHIR R4 server of another make than the sandbox's, for the contract tests.
 *
 * <p>{@code java -jar hapi.jar [PORT]} listens on loopback only, on a free port unless told one, says
 * {@code READY <base URL>} on standard output, and ends when its standard input closes: it never outlives the process
 * that started it.
 */
public final class HapiServer {

    private static final String LOOPBACK = "127.0.0.1";
    private static final String PATH = "/fhir";

    private HapiServer() {}

    public static void main(String[] arguments) throws Exception {
        int wanted = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0;
        endWithParent();
        ApplicationContext beans = new AnnotationConfigApplicationContext(Storage.class, Jobs.class);
        int port = serve(fhirServlet(beans), wanted);
        System.out.printf("READY http://%s:%d%s%n", LOOPBACK, port, PATH);
        System.out.flush();
    }

    /** At once and without farewell: there is nothing on disk to be left in order. */
    private static void endWithParent() {
        Thread watcher = new Thread(() -> {
            try {
                System.in.transferTo(java.io.OutputStream.nullOutputStream());
            } catch (IOException closed) {
                // as good as the end of the stream
            }
            Runtime.getRuntime().halt(0);
        });
        watcher.setDaemon(true);
        watcher.start();
    }

    private static RestfulServer fhirServlet(ApplicationContext beans) {
        RestfulServer servlet = new RestfulServer(beans.getBean(FhirContext.class));
        servlet.setInterceptorService(beans.getBean(IInterceptorService.class));
        servlet.registerProviders(beans.getBean(ResourceProviderFactory.class).createProviders());
        servlet.registerProvider(beans.getBean(JpaSystemProvider.class));
        servlet.registerProvider(beans.getBean(BulkDataExportProvider.class));
        servlet.registerProvider(new Reset(beans));
        servlet.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
        servlet.setDefaultResponseEncoding(EncodingEnum.JSON);
        ISearchParamRegistry parameters = beans.getBean(ISearchParamRegistry.class);
        servlet.setServerConformanceProvider(new JpaCapabilityStatementProvider(
                servlet,
                beans.getBean(IFhirSystemDao.class),
                beans.getBean(JpaStorageSettings.class),
                parameters,
                beans.getBean(IValidationSupport.class)));
        // Lets a caller say "Prefer: handling=lenient"; without it an unknown search parameter is refused.
        servlet.registerInterceptor(new SearchPreferHandlingInterceptor(parameters));
        return servlet;
    }

    /** Starts Jetty; returns the port that it got. */
    private static int serve(RestfulServer servlet, int port) throws Exception {
        Server jetty = new Server(new InetSocketAddress(LOOPBACK, port));
        ServletContextHandler handler = new ServletContextHandler("/");
        handler.addServlet(new ServletHolder(servlet), PATH + "/*");
        jetty.setHandler(handler);
        jetty.start();
        return ((ServerConnector) jetty.getConnectors()[0]).getLocalPort();
    }
}
